import { parse, type Op } from '@farmer/tensor';
import { matmulOp, type MatmulParams } from '../../../packages/tensor/src/ops/matmul.ts';
import { runMatmul } from '../../../packages/tensor/src/webgpu/matmul/run.ts';
import { matmulVariants } from '../../../packages/tensor/src/webgpu/matmul/select.ts';
import type { MatmulVariant } from '../../../packages/tensor/src/webgpu/matmul/source.ts';
import { capabilitiesOf, noise, opWork, type Family } from '../family.ts';

/** The product by one variant, whatever the selection table would say. */
const forced = (variant: MatmulVariant): Op<MatmulParams> => ({
  ...matmulOp,
  kernels: { webgpu: (run, call) => runMatmul(run, call, () => ({ variant, slices: 1 })) },
});

function matmul(name: string, operands: 'ab' | 'aᵀb' | 'abᵀ', shapes: Family['shapes']): Family {
  const [transposeA, transposeB] = [operands === 'aᵀb', operands === 'abᵀ'];
  return {
    name,
    axes: ['m', 'n', 'k'],
    shapes,
    work([m, n, k], device) {
      const a = transposeA ? noise(1, k!, m!) : noise(1, m!, k!);
      const b = transposeB ? noise(2, n!, k!) : noise(2, k!, n!);
      const params = { transposeA, transposeB, epilogue: parse('acc'), names: [], numbers: {} };
      const capabilities = capabilitiesOf(device);
      const variants = capabilities ? matmulVariants(capabilities) : [];
      return opWork(matmulOp, [a, b], params, {
        variants: variants.map((variant) => [variant.name.replace('matmul-', ''), forced(variant)]),
        tolerance: { absolute: 2e-5 * Math.sqrt(k!) },
      });
    },
  };
}

/** Squares; layers of the presets tiny and small, of a wider model, and of one decoded token; gradients. */
export const matmulFamilies: readonly Family[] = [
  matmul('matmul', 'ab', [
    [256, 256, 256],
    [512, 512, 512],
    [1024, 1024, 1024],
    [1568, 192, 48],
    [3136, 256, 64],
    [3136, 64, 256],
    [3200, 768, 192],
    [1, 768, 192],
  ]),
  matmul('matmul-at', 'aᵀb', [
    [64, 256, 3136],
    [192, 768, 3200],
  ]),
  matmul('matmul-bt', 'abᵀ', [
    [3136, 64, 256],
    [3200, 192, 768],
  ]),
];
