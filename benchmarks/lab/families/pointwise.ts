import { map, parse, type Tensor } from '@farmer/tensor';
import { mapOp } from '../../../packages/tensor/src/ops/map.ts';
import { noise, opWork, type Family } from '../family.ts';

/** A formula of the inputs x, y and z, as many as it uses, over vectors. */
function pointwise(
  name: string,
  formula: string,
  stepwise: (...inputs: Tensor[]) => Tensor,
): Family {
  const names = ['x', 'y', 'z'].filter((input) => new RegExp(`\\b${input}\\b`).test(formula));
  return {
    name,
    axes: ['size'],
    shapes: [[1 << 20], [1 << 22]],
    work([size]) {
      const inputs = names.map((_, i) => noise(i, size!));
      const params = { expressions: [parse(formula)], names, numbers: {}, dtype: 'f32' as const };
      return opWork(mapOp, inputs, params, { variants: [['1-op-by-op', stepwise]] });
    },
  };
}

/** Formulas as one kernel, against one kernel for each operation. */
export const pointwiseFamilies: readonly Family[] = [
  pointwise('multiply-add', 'x * y + z', (x, y, z) =>
    map('p + z', { p: map('x * y', { x: x!, y: y! }), z: z! }),
  ),
  pointwise('affine', '(x - y) * exp(-z)', (x, y, z) => {
    const scale = map('exp(m)', { m: map('-z', { z: z! }) });
    return map('d * scale', { d: map('x - y', { x: x!, y: y! }), scale });
  }),
  pointwise('gelu', 'gelu(x)', (x) => {
    const e = map('erf(s)', { s: map('x / sqrt(2)', { x: x! }) });
    const half = map('0.5 * x', { x: x! });
    return map('half * f', { half, f: map('1 + e', { e }) });
  }),
];
