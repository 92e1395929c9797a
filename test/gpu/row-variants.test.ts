import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  ndarrayOf,
  registry,
  sampleRandom,
  type NdArray,
  type Op,
  type SampleRandom,
  type WebGpuCapabilities,
  type WebGpuDevice,
} from '@farmer/tensor';
import { openDevice } from '@farmer/tensor/node';
import {
  prefersRows,
  rowVariants,
  selectRows,
  selectShortRows,
  shortRowVariants,
} from '../../packages/tensor/src/webgpu/rows/select.ts';
import type { RowVariant } from '../../packages/tensor/src/webgpu/rows/variant.ts';
import { mismatch, uniformSource } from '@farmer/tensor/conformance';
import { testAdapters } from '../support/devices.ts';
import { runFenced } from '../support/fences.ts';

const opNamed = (name: string): Op<unknown> => registry.find((op) => op.name === name)!;

/** The op with all of its row kernels by one variant, whatever the table would say. */
function forced(op: Op<unknown>, rowVariant: RowVariant): Op<unknown> {
  const kernel = op.kernels!.webgpu!;
  return { ...op, kernels: { webgpu: (run, call) => kernel({ ...run, rowVariant }, call) } };
}

// [rows, length]: single elements, rows and columns; whole vec4s; primes; more than a workgroup of each.
const sizes: readonly (readonly [number, number])[] = [
  [1, 1],
  [67, 1],
  [3, 20],
  [65, 13],
  [129, 36],
  [2, 1031],
  [1, 4100],
];

// One op for each way in which whole rows are used; lavapipe takes a second to compile a kernel.
const last = { axes: [1], keepDims: false };
const wholeRowOps: Record<string, (random: SampleRandom, size: readonly [number, number]) => Case> =
  {
    softmax: (random, size) => ({ inputs: [random.normals(size, 3)], params: {} }),
    sum: (random, size) => ({ inputs: [random.normals(size)], params: last }),
    logSumExp: (random, size) => ({ inputs: [random.normals(size, 3)], params: last }),
    argmax: (random, size) => ({
      inputs: [ndarrayOf(size, () => (random.uniform() < 0.02 ? NaN : random.integer(-9, 9)))],
      params: { axis: 1, keepDims: false },
    }),
    layerNormGradient: (random, [rows, length]) => ({
      inputs: [
        random.normals([rows, length]),
        random.normals([length]),
        random.normals([rows, length]),
      ],
      params: { epsilon: 0.1 },
    }),
  };

interface Case {
  readonly inputs: readonly NdArray[];
  readonly params: unknown;
}

const variantNames = [
  '2-lane-a-row',
  '3-barriers-64',
  '4-barriers-256',
  '5-subgroups-256',
  '6-one-subgroup',
];

for (const adapter of testAdapters) {
  describe(`row variants on ${adapter}`, () => {
    let device: WebGpuDevice;
    beforeAll(async () => {
      device = (await openDevice({ adapter })) as WebGpuDevice;
    });
    afterAll(() => device.destroy());

    test('the adapter runs these and no others', () => {
      expect(rowVariants(device.capabilities).map(({ name }) => name)).toEqual(variantNames);
    });

    for (const [name, make] of Object.entries(wholeRowOps)) {
      test.for(variantNames)(`${name} by %s`, async (variantName) => {
        const variant = rowVariants(device.capabilities).find((v) => v.name === variantName)!;
        const random = sampleRandom(uniformSource(1));
        for (const size of sizes) {
          await check(opNamed(name), variant, make(random, size), size);
        }
      });
    }

    test.for([0, 1])('the flow and mixtures by variant %i of short rows', async (which) => {
      const random = sampleRandom(uniformSource(2));
      for (const [batch, tokens, channels] of [
        [1, 1, 1],
        [3, 5, 12],
        [5, 7, 13],
        [2, 3, 260],
      ] as const) {
        const inputs = [
          random.normals([batch, tokens, channels]),
          random.normals([batch, tokens, 2 * channels]),
        ];
        const variant = shortRowVariants(channels % 4 === 0 ? channels / 4 : channels)[which]!;
        await check(opNamed('affineFlow'), variant, { inputs, params: {} }, channels);
      }
      for (const components of [1, 3, 8, 70]) {
        const head = components * (1 + 2 * 5);
        const inputs = [random.normals([3, 2, 5]), random.normals([3, head])];
        const params = { components, logitScale: 1, scale: 1 };
        const variant = shortRowVariants(components)[which]!;
        await check(opNamed('gaussianMixtureLogProb'), variant, { inputs, params }, components);
        const weighted = { inputs: [...inputs, random.normals([3, 2, components])], params };
        await check(opNamed('gaussianMixtureBackward'), variant, weighted, components);
      }
    });

    /** Right, between fences of NaN. */
    async function check(
      op: Op<unknown>,
      variant: RowVariant,
      { inputs, params }: Case,
      at: unknown,
    ) {
      const actual = await runFenced(forced(op, variant), device, { inputs, params });
      op.reference(inputs, params).forEach(({ data }, i) => {
        const wrong = mismatch(actual[i]!.data, data, { absolute: 2e-4, relative: 1e-4 });
        expect(wrong, `${op.name}, output ${i}, ${variant.name}, ${String(at)}`).toBe(undefined);
      });
    }
  });
}

describe('the selection table of rows', () => {
  const adapterOf = (
    adapterKind: 'hardware' | 'software',
    subgroups?: readonly [number, number],
  ): WebGpuCapabilities => ({
    adapterKind,
    limits: {} as GPUSupportedLimits,
    subgroups: subgroups && { minSize: subgroups[0], maxSize: subgroups[1] },
  });
  const adapters = [
    adapterOf('hardware'),
    adapterOf('hardware', [32, 32]),
    adapterOf('hardware', [8, 32]),
    adapterOf('software'),
    adapterOf('software', [4, 4]),
  ];

  test('names a variant that the adapter runs, at any length', () => {
    for (const capabilities of adapters) {
      for (const length of [1, 7, 32, 33, 2047, 2048, 1e6]) {
        for (const rows of [1, 1000]) {
          const selected = selectRows(capabilities, length, rows);
          expect(rowVariants(capabilities)).toContainEqual(selected);
        }
        expect(shortRowVariants(length)).toContainEqual(selectShortRows(capabilities, length));
      }
    }
  });

  test('subgroups serve where all are of one size, and there alone', () => {
    const usesSubgroups = (capabilities: WebGpuCapabilities) =>
      rowVariants(capabilities).some(({ subgroup }) => subgroup > 0);
    expect(adapters.map(usesSubgroups)).toEqual([false, true, false, false, true]);
    expect(selectRows(adapterOf('hardware', [8, 32]), 100, 10).subgroup).toBe(0);
  });

  test('no software adapter meets at a barrier that it can avoid', () => {
    const software = adapterOf('software', [8, 8]);
    for (const length of [1, 100, 1e5]) {
      const { lanes, subgroup } = selectRows(software, length, 1000);
      expect(lanes === 1 || lanes === subgroup).toBe(true);
      expect(selectShortRows(software, length).lanes).toBe(1);
    }
    expect(selectRows(adapterOf('software'), 100, 1000).lanes).toBe(1);
    expect(prefersRows(adapterOf('software'), 1e5)).toBe(false);
  });

  test('few rows are not left to a lane each', () => {
    expect(selectRows(adapterOf('software', [8, 8]), 245, 1).lanes).toBe(8);
  });

  test('a GPU gives a long row more lanes', () => {
    for (const capabilities of [adapterOf('hardware'), adapterOf('hardware', [32, 32])]) {
      expect(selectRows(capabilities, 2048, 10).lanes).toBe(256);
      expect(selectRows(capabilities, 2047, 10).lanes).toBeLessThan(256);
    }
  });
});
