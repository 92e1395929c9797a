import { expect, test } from 'vitest';
import { Init } from '@farmer/nn';
import { RandomStream, scope, tensor, type Tensor } from '@farmer/tensor';
import {
  dimensions,
  exactResampling,
  Farmer,
  FlowBlock,
  sampleLatents,
  type Guidance,
  type SamplingOptions,
} from 'farmer';
import { mismatch } from '@farmer/tensor/conformance';
import { describeOnDevices, testDevices } from '../support/devices.ts';
import { normals, randomizeParameters, tinyConfig } from '../support/farmer.ts';

const { tokens, channels } = dimensions(tinyConfig);

async function read(body: () => Tensor): Promise<Float32Array> {
  const result = scope(body);
  const data = Float32Array.from(await result.data());
  result.dispose();
  return data;
}

/** Ways to draw from a model, each by other commands. */
const drawings: Record<string, SamplingOptions> = {
  'without guidance': {},
  'with temperatures': { logitScale: 0.7, scale: 0.8, redundantScale: 1.5 },
  'with resampling': { guidance: { ...exactResampling, weight: 2 } },
  'with balanced resampling': { guidance: { ...exactResampling, weighing: 'balance' } },
  'with naive guidance': { guidance: { kind: 'naive', weight: 1, tries: 6 } },
};

describeOnDevices(
  'decoding',
  (device) => {
    for (const direction of ['forward', 'backward'] as const) {
      const block = () => {
        const options = { tokens, channels, layers: 2, width: 8, heads: 2, direction };
        const made = new FlowBlock(new Init(1), options);
        randomizeParameters(made, 31);
        return made;
      };

      test(`a captured step inverts a ${direction} block as single commands do, for any batch`, async () => {
        const flow = block();
        const size = tokens * channels;
        const z = normals(1, 3 * tokens * channels);
        const inverse = (values: Float32Array, captured: boolean) =>
          read(() =>
            flow.inverse(tensor(values, [values.length / size, tokens, channels]), { captured }),
          );
        const captured = await inverse(z, true);
        expect(captured).toEqual(await inverse(z, false));
        for (let b = 0; b < 3; b++) {
          const own = await inverse(z.slice(b * size, (b + 1) * size), true);
          const rows = captured.slice(b * size, (b + 1) * size);
          expect(mismatch(own, rows, { absolute: 1e-5, relative: 1e-5 })).toBeUndefined();
        }
      });
    }

    for (const [name, options] of Object.entries(drawings)) {
      const model = () => {
        const made = new Farmer(tinyConfig, 1);
        randomizeParameters(made, 32);
        return made;
      };

      test(`${name}: a captured step draws what single commands draw`, async () => {
        const farmer = model();
        const draw = (captured: boolean) => latents(farmer, [0, 2, 1], { ...options, captured });
        const captured = await draw(true);
        expect(captured).toEqual(await draw(false));
        expect(captured.every(Number.isFinite)).toBe(true);
        // Each token has numbers of its own.
        expect(new Set(captured).size).toBe(captured.length);
      });

      test(`${name}: what a first image becomes does not depend on the others`, async () => {
        const farmer = model();
        const alone = await latents(farmer, [1], options);
        const among = await latents(farmer, [1, 0, 2, 0], options);
        const first = among.slice(0, alone.length);
        expect(mismatch(first, alone, { absolute: 1e-4, relative: 1e-4 })).toBeUndefined();
      });
    }

    test('under guidance, candidates of p_c are what their class draws, those of p_u what no class draws', async () => {
      const farmer = new Farmer(tinyConfig, 1);
      randomizeParameters(farmer, 32);
      const classes = [0, 2, 1];
      const own = await latents(farmer, classes, {});
      const none = await latents(farmer, Array<number>(3).fill(farmer.nullClass), {});
      // A pool of one leaves nothing to choose.
      const pool = (conditional: number, unconditional: number): Guidance => ({
        ...{ ...exactResampling, conditional, unconditional },
        ...{ redundantConditional: conditional, redundantUnconditional: unconditional },
      });
      const close = { absolute: 1e-4, relative: 1e-4 };
      for (const [guidance, expected] of [
        [pool(1, 0), own],
        [pool(0, 1), none],
        [{ kind: 'naive', weight: 1, tries: 1 }, own],
      ] as const) {
        const drawn = await latents(farmer, classes, { guidance });
        expect(mismatch(drawn, expected, close)).toBeUndefined();
      }
      expect(mismatch(own, none, close)).toBeDefined();
    });

    test('temperatures of deviations and logits reach informative and redundant tokens', async () => {
      const farmer = new Farmer(tinyConfig, 1);
      randomizeParameters(farmer, 32);
      const images = 24;
      const draw = async (options: SamplingOptions) => {
        const random = new RandomStream(7);
        const labels = tensor(new Int32Array(images).fill(1), [images], 'i32');
        const parts = scope(() => sampleLatents(farmer, labels, random, options));
        const drawn = {
          informative: Float32Array.from(await parts.informative.data()),
          redundant: Float32Array.from(await parts.redundant!.data()),
        };
        for (const used of [labels, parts.informative, parts.redundant!]) used.dispose();
        random.dispose();
        return drawn;
      };
      /** How many images are not like the first. */
      const others = (values: Float32Array) => {
        const size = values.length / images;
        const differs = (b: number) =>
          values.slice(0, size).some((v, i) => Math.abs(values[b * size + i]! - v) > 1e-3);
        return Array.from({ length: images }, (_, b) => differs(b)).filter(Boolean).length;
      };
      // Means alone: of any component, and of the likeliest.
      const [any, likeliest] = [
        await draw({ scale: 0 }),
        await draw({ scale: 0, logitScale: 1e4 }),
      ];
      for (const part of ['informative', 'redundant'] as const) {
        expect(others(any[part])).toBeGreaterThan(3);
        expect(others(likeliest[part])).toBe(0);
      }
    });

    test('memory stays flat over batches', async () => {
      const farmer = new Farmer(tinyConfig, 1);
      const draw = () => latents(farmer, [0, 1], drawings['with resampling']!);
      await draw();
      const { liveBlocks } = device().memory();
      await draw();
      await draw();
      expect(device().memory().liveBlocks).toBe(liveBlocks);
    });
  },
  testDevices.filter((name) => name !== 'swiftshader'),
);

/** Z of images of the given classes, always from the same random numbers. */
async function latents(
  model: Farmer,
  labels: readonly number[],
  options: SamplingOptions,
): Promise<Float32Array> {
  const random = new RandomStream(7);
  const drawn = await read(() =>
    model.join(sampleLatents(model, tensor(labels, [labels.length], 'i32'), random, options)),
  );
  random.dispose();
  return drawn;
}
