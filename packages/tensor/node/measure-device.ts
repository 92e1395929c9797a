import { map, matmul, scope, tensor, type Device } from '../src/index.ts';

/** What the framework's own kernels reach on a device. */
export interface DeviceSpeed {
  readonly name: string;
  /** Of a float32 product of two square matrices of this size. */
  readonly matmulGflops: number;
  readonly matmulSize: number;
  /** Bytes read and written by a pointwise formula over this many bytes. */
  readonly pointwiseGBps: number;
  readonly pointwiseBytes: number;
}

/** Times a matmul and a pointwise formula: the fastest of several runs, after one that compiles. */
export async function measureDevice(device: Device): Promise<DeviceSpeed> {
  const size = 512;
  const count = 2 ** 20;
  const matrix = tensor(new Float32Array(size * size).fill(0.5), [size, size], 'f32', device);
  const vector = tensor(new Float32Array(count).fill(2), [count], 'f32', device);
  const product = await fastest(device, () => matmul(matrix, matrix));
  const scaled = await fastest(device, () => map('2 * x + 1', { x: vector }));
  matrix.dispose();
  vector.dispose();
  return {
    name: device.name,
    matmulGflops: (2 * size ** 3) / (product * 1e6),
    matmulSize: size,
    pointwiseGBps: (2 * 4 * count) / (scaled * 1e6),
    pointwiseBytes: 4 * count,
  };
}

/** Milliseconds of the fastest of five runs. */
async function fastest(device: Device, body: () => unknown): Promise<number> {
  let best = Infinity;
  for (let run = 0; run < 6; run++) {
    await device.synchronize();
    const start = performance.now();
    scope(() => void body());
    await device.synchronize();
    if (run > 0) best = Math.min(best, performance.now() - start);
  }
  return best;
}
