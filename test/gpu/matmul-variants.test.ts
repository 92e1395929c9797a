import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, sampleRandom, type NdArray, type Op, type WebGpuDevice } from '@farmer/tensor';
import { openDevice } from '@farmer/tensor/node';
import { matmulOp, type MatmulParams } from '../../packages/tensor/src/ops/matmul.ts';
import { fewRows } from '../../packages/tensor/src/webgpu/matmul/few-rows.ts';
import { naive } from '../../packages/tensor/src/webgpu/matmul/naive.ts';
import { runMatmul } from '../../packages/tensor/src/webgpu/matmul/run.ts';
import {
  matmulVariants,
  selectMatmul,
  type MatmulChoice,
} from '../../packages/tensor/src/webgpu/matmul/select.ts';
import type { MatmulVariant } from '../../packages/tensor/src/webgpu/matmul/source.ts';
import { subgroup } from '../../packages/tensor/src/webgpu/matmul/subgroup.ts';
import { largeTile, tile } from '../../packages/tensor/src/webgpu/matmul/tile.ts';
import { mismatch, uniformSource } from '@farmer/tensor/conformance';
import { testAdapters } from '../support/devices.ts';
import { runFenced } from '../support/fences.ts';

/** The product by one variant, whatever the selection table would say. */
const forced = (choice: MatmulChoice): Op<MatmulParams> => ({
  ...matmulOp,
  kernels: { webgpu: (run, call) => runMatmul(run, call, () => choice) },
});

// [batch, m, n, k]: whole vec4s; primes; single rows, columns and products; several tiles.
const sizes: readonly [number, number, number, number][] = [
  [3, 20, 36, 24],
  [1, 97, 132, 200],
  [2, 68, 72, 48],
  [2, 17, 13, 31],
  [1, 67, 71, 129],
  [1, 130, 264, 36],
  [1, 1, 5, 7],
  [2, 3, 1, 1],
];

for (const adapter of testAdapters) {
  describe(`matmul variants on ${adapter}`, () => {
    let device: WebGpuDevice;
    beforeAll(async () => {
      device = (await openDevice({ adapter })) as WebGpuDevice;
    });
    afterAll(() => device.destroy());

    // Lavapipe compiles a second or more for each kernel: there the sources that the selection table takes are tested,
    // on SwiftShader all. The table takes no tile of 8 rows, and larger ones for whole vec4s alone.
    const takesWholeAlone = (variant: MatmulVariant) =>
      adapter === 'lavapipe' && variant.tileRows >= 16;

    const variants: Record<string, () => MatmulVariant> = {
      naive: () => naive,
      ...Object.fromEntries(
        (
          [
            [1, 1],
            [4, 1],
            [8, 1],
            [16, 1],
            [32, 2],
          ] as const
        )
          .filter(([rows]) => rows !== 8 || adapter === 'swiftshader')
          .map(([rows, quads]) => [
            `subgroup, ${rows} rows of ${quads} vec4s a lane`,
            () => subgroup(device.capabilities.subgroups!.maxSize, rows, quads),
          ]),
      ),
      // Lavapipe would take minutes to compile these.
      ...(adapter === 'swiftshader' && {
        'tile of 64 × 64': () => tile,
        'tile of 128 × 128': () => largeTile,
        'one row': () => fewRows(1),
        'four rows': () => fewRows(4),
      }),
    };

    test('the adapter runs these, and on SwiftShader no others', () => {
      const names = (list: readonly MatmulVariant[]) => list.map(({ name }) => name);
      const tested = names(Object.values(variants).map((variant) => variant()));
      const known = names(matmulVariants(device.capabilities));
      expect(known).toEqual(adapter === 'swiftshader' ? tested : expect.arrayContaining(tested));
    });

    for (const [name, variant] of Object.entries(variants)) {
      test.for([
        [false, false],
        [false, true],
        [true, false],
        [true, true],
      ] as const)(`${name}, transposed %s and %s`, async ([transposeA, transposeB]) => {
        const random = sampleRandom(uniformSource(1));
        for (const [batch, m, n, k] of sizes) {
          if (takesWholeAlone(variant()) && (n % 4 > 0 || k % 4 > 0)) continue;
          for (const slices of [1, 3]) {
            const inputs = [
              random.normals([batch, ...(transposeA ? [k, m] : [m, k])]),
              random.normals([batch, ...(transposeB ? [n, k] : [k, n])]),
              random.normals([n]),
            ];
            const epilogue = parse('relu(acc + bias)');
            const params = { transposeA, transposeB, epilogue, names: ['bias'], numbers: {} };
            const op = forced({ variant: variant(), slices });
            const actual = await run(op, inputs, params);
            const wrong = mismatch(actual, matmulOp.reference(inputs, params)[0]!.data, {
              absolute: 1e-4,
            });
            expect(wrong, `${batch} × [${m}, ${k}] × [${k}, ${n}], ${slices} slices`).toBe(
              undefined,
            );
          }
        }
      });
    }

    test('a long sum is split, and has the same bits each time', async () => {
      const random = sampleRandom(uniformSource(2));
      const inputs = [random.normals([3201, 20]), random.normals([3201, 12])];
      const params = { ...plain, transposeA: true };
      const problem = {
        ...{ m: 20, n: 12, k: 3201, transposeA: true, transposeB: false, batches: 1, inner: 1 },
        ...{ a: still, b: still, firstRow: 0 },
      };
      expect(selectMatmul(device.capabilities, problem).slices).toBeGreaterThan(1);
      const first = await run(matmulOp, inputs, params);
      expect(mismatch(first, matmulOp.reference(inputs, params)[0]!.data, { absolute: 1e-3 })).toBe(
        undefined,
      );
      for (let i = 0; i < 5; i++) expect(await run(matmulOp, inputs, params)).toEqual(first);
    });

    test('an empty sum is zero', async () => {
      const inputs = [random0.normals([5, 0]), random0.normals([0, 8])];
      expect(await run(matmulOp, inputs, plain)).toEqual(new Float64Array(40));
    });

    /** Between fences of NaN, so that a load or a store outside of a tensor shows. */
    async function run(op: Op<MatmulParams>, inputs: readonly NdArray[], params: MatmulParams) {
      return (await runFenced(op, device, { inputs, params }))[0]!.data;
    }
  });
}

const random0 = sampleRandom(uniformSource(0));
const still = { offset: 0, outer: 0, step: 0 };
const plain: MatmulParams = {
  transposeA: false,
  transposeB: false,
  epilogue: parse('acc'),
  names: [],
  numbers: {},
};
