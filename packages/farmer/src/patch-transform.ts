import { matmul, persist, tensor, type Tensor } from '@farmer/tensor';
import type { ModelConfig } from './config.ts';

/**
 * A fixed orthonormal change of a token's channels (log-det 0), so that the channels that the flow never mixes
 * are frequencies and not pixels: the low ones come first and become the informative channels.
 */
export class PatchTransform {
  /** d × d, rows are frequencies; undefined for the identity. */
  readonly #matrix: Tensor | undefined;

  constructor({
    patchTransform,
    patch,
    image,
  }: Pick<ModelConfig, 'patchTransform' | 'patch' | 'image'>) {
    if (patchTransform === 'none') return;
    const d = image.channels * patch * patch;
    this.#matrix = persist(tensor(dctMatrix(image.channels, patch), [d, d]));
  }

  /** Tokens [B, N, d] to frequencies. */
  forward(tokens: Tensor): Tensor {
    return this.#matrix ? matmul(tokens, this.#matrix, { transposeB: true }) : tokens;
  }

  inverse(frequencies: Tensor): Tensor {
    return this.#matrix ? matmul(frequencies, this.#matrix) : frequencies;
  }

  dispose(): void {
    this.#matrix?.dispose();
  }
}

/**
 * The orthonormal DCT-II over a patch's rows, columns and colour planes, d × d row-major; rows from low to high total
 * frequency. Over three planes it gives luma (1, 1, 1)/√3 and two chromas, (1, 0, −1)/√2 and (1, −2, 1)/√6, so that
 * low-frequency luma comes first; over one plane it does nothing.
 */
export function dctMatrix(channels: number, patch: number): Float64Array {
  const d = channels * patch * patch;
  const frequencies: { c: number; u: number; v: number }[] = [];
  for (let c = 0; c < channels; c++) {
    for (let u = 0; u < patch; u++) for (let v = 0; v < patch; v++) frequencies.push({ c, u, v });
  }
  // Zigzag: by total frequency, luma first, then a fixed order.
  frequencies.sort((a, b) => a.u + a.v - (b.u + b.v) || a.c - b.c || a.u - b.u);
  const matrix = new Float64Array(d * d);
  frequencies.forEach(({ c, u, v }, row) => {
    for (let plane = 0; plane < channels; plane++) {
      for (let y = 0; y < patch; y++) {
        for (let x = 0; x < patch; x++) {
          matrix[row * d + (plane * patch + y) * patch + x] =
            cosine(c, plane, channels) * cosine(u, y, patch) * cosine(v, x, patch);
        }
      }
    }
  });
  return matrix;
}

/** Wave k of n at place x. */
function cosine(k: number, x: number, n: number): number {
  return Math.sqrt((k === 0 ? 1 : 2) / n) * Math.cos((Math.PI * (2 * x + 1) * k) / (2 * n));
}
