/** The values that all libraries compute on. */

export interface Values {
  readonly shape: number[];
  readonly data: Float32Array;
}

/** Uniform values in ±scale + shift, the same at each call (mulberry32). */
export function noise(seed: number, shape: number[], scale = 1, shift = 0): Values {
  let state = (seed * 0x9e3779b9) >>> 0;
  const size = shape.reduce((a, b) => a * b, 1);
  const data = Float32Array.from({ length: size }, () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (((t ^ (t >>> 14)) >>> 0) / 2 ** 31 - 1) * scale + shift;
  });
  return { shape, data };
}

/** A block's parameters, named as in `TransformerBlock`. */
export function blockParameters(width: number): Record<string, Values> {
  const hidden = 4 * width;
  let seed = 100;
  const norm = () => ({
    scale: noise(seed++, [width], 0.2, 1),
    shift: noise(seed++, [width], 0.2),
  });
  const linear = (rows: number, columns: number) => ({
    weight: noise(seed++, [rows, columns], Math.sqrt(1 / rows)),
    bias: noise(seed++, [columns], 0.1),
  });
  const layers = {
    attentionNorm: norm(),
    'attention.query': linear(width, width),
    'attention.key': linear(width, width),
    'attention.value': linear(width, width),
    'attention.output': linear(width, width),
    mlpNorm: norm(),
    'mlp.up': linear(width, hidden),
    'mlp.down': linear(hidden, width),
  };
  return Object.fromEntries(
    Object.entries(layers).flatMap(([layer, values]) =>
      Object.entries(values).map(([name, value]) => [`${layer}.${name}`, value]),
    ),
  );
}

/** Weight and bias of each layer in turn. */
export function mlpParameters(widths: readonly number[]): Values[] {
  return widths.slice(1).flatMap((columns, i) => {
    const rows = widths[i]!;
    return [noise(200 + i, [rows, columns], Math.sqrt(3 / rows)), noise(300 + i, [columns], 0.1)];
  });
}

/** Images and labels of one batch. */
export function mlpBatch(
  batch: number,
  widths: readonly number[],
): { x: Values; labels: number[] } {
  const classes = widths.at(-1)!;
  return {
    x: noise(1, [batch, widths[0]!], 0.5, 0.5),
    labels: Array.from({ length: batch }, (_, i) => (i * 7) % classes),
  };
}

export const adam = { rate: 1e-3, beta1: 0.9, beta2: 0.95, epsilon: 1e-8 };
