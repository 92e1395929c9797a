import { expect, test } from 'vitest';
import { RandomStream, scope, tensor } from '@farmer/tensor';
import {
  checkGuidance,
  drawGuided,
  exactResampling,
  Farmer,
  guidancePresets,
  sampleLatents,
  type Guidance,
  type ResamplingGuidance,
  type SamplingOptions,
} from 'farmer';
import { describeOnDevices, testDevices } from '../support/devices.ts';
import { randomizeParameters, tinyConfig } from '../support/farmer.ts';

type Mixture = readonly { readonly weight: number; readonly mean: number; readonly std: number }[];

/** A packed head of one channel; raw = s − 1/s gives squareplus(raw) = s. */
function headOf(mixture: Mixture): number[] {
  return [
    ...mixture.map(({ weight }) => Math.log(weight)),
    ...mixture.map(({ mean }) => mean),
    ...mixture.map(({ std }) => std - 1 / std),
  ];
}

function density(mixture: Mixture, x: number): number {
  return mixture.reduce((sum, { weight, mean, std }) => {
    return (
      sum + (weight / (std * Math.sqrt(2 * Math.PI))) * Math.exp(-0.5 * ((x - mean) / std) ** 2)
    );
  }, 0);
}

async function draws(c: Mixture, u: Mixture, count: number, guidance: Guidance): Promise<number[]> {
  const random = new RandomStream(5);
  const result = scope(() =>
    drawGuided(
      {
        conditional: tensor(headOf(c), [1, 3 * c.length]),
        unconditional: tensor(headOf(u), [1, 3 * u.length]),
        ...{ values: count, channels: 1, components: c.length, redundant: false },
      },
      guidance,
      random,
    ),
  );
  const values = Array.from(await result.data());
  result.dispose();
  random.dispose();
  return values;
}

const resampling = (changes: Partial<ResamplingGuidance>): ResamplingGuidance => ({
  ...exactResampling,
  ...changes,
});

/** The largest distance between an empirical distribution and one whose density is known up to a factor. */
function distanceTo(values: readonly number[], target: (x: number) => number): number {
  const [low, high, steps] = [-12, 12, 24_000];
  const width = (high - low) / steps;
  const cumulative = new Float64Array(steps + 1);
  for (let i = 0; i < steps; i++) {
    cumulative[i + 1] = cumulative[i]! + target(low + (i + 0.5) * width) * width;
  }
  const sorted = [...values].sort((a, b) => a - b);
  return Math.max(
    ...sorted.map((x, i) => {
      const at = Math.min(steps, Math.max(0, Math.round((x - low) / width)));
      return Math.abs((i + 0.5) / sorted.length - cumulative[at]! / cumulative[steps]!);
    }),
  );
}

const count = 4000;
/** The Kolmogorov-Smirnov distance that chance exceeds once in 100,000 draws of this size. */
const chance = 2.47 / Math.sqrt(count);
const bimodal: Mixture = [
  { weight: 0.6, mean: -1, std: 0.6 },
  { weight: 0.4, mean: 1.5, std: 0.4 },
];
const broad: Mixture = [
  { weight: 0.5, mean: 0, std: 1.6 },
  { weight: 0.5, mean: 1, std: 1.2 },
];

describeOnDevices(
  'guidance',
  () => {
    test('w = 0 is plain sampling, by any kind of guidance', async () => {
      const plain = (x: number) => density(bimodal, x);
      for (const guidance of [
        resampling({ weight: 0 }),
        resampling({ weight: 0, unconditional: 0 }),
        { kind: 'naive', weight: 0, tries: 4 } as const,
      ]) {
        expect(distanceTo(await draws(bimodal, broad, count, guidance), plain)).toBeLessThan(
          chance,
        );
      }
    });

    test('single Gaussians: the closed form, precision (1 + w)/σ_c² − w/σ_u²; weights of A.2 miss it', async () => {
      const [weight, c, u] = [1, { mean: 0.5, std: 0.8 }, { mean: -0.5, std: 1.5 }];
      const precision = (1 + weight) / c.std ** 2 - weight / u.std ** 2;
      const mean =
        (((1 + weight) * c.mean) / c.std ** 2 - (weight * u.mean) / u.std ** 2) / precision;
      const target = (x: number) => Math.exp(-0.5 * precision * (x - mean) ** 2);
      // Most candidates from p_u, so that a wrong weight of theirs shows.
      const many = { weight, conditional: 30, unconditional: 300 };
      const run = (weighing: ResamplingGuidance['weighing']) =>
        draws(
          [{ weight: 1, ...c }],
          [{ weight: 1, ...u }],
          count,
          resampling({ ...many, weighing }),
        );
      expect(distanceTo(await run('algorithm'), target)).toBeLessThan(chance + 0.01);
      expect(distanceTo(await run('balance'), target)).toBeLessThan(chance + 0.01);
      expect(distanceTo(await run('appendix'), target)).toBeGreaterThan(2 * chance);
    });

    test('mixtures: many candidates approach p_u (p_c / p_u)^(w + 1)', async () => {
      const weight = 1.5;
      const target = (x: number) =>
        density(broad, x) * (density(bimodal, x) / density(broad, x)) ** (weight + 1);
      const few = await draws(
        bimodal,
        broad,
        count,
        resampling({ weight, conditional: 1, unconditional: 1 }),
      );
      const many = await draws(
        bimodal,
        broad,
        count,
        resampling({ weight, conditional: 150, unconditional: 150 }),
      );
      expect(distanceTo(many, target)).toBeLessThan(chance + 0.01);
      expect(distanceTo(few, target)).toBeGreaterThan(distanceTo(many, target) + 0.02);
      const naive = await draws(bimodal, broad, count, { kind: 'naive', weight, tries: 300 });
      expect(distanceTo(naive, target)).toBeLessThan(chance + 0.03);
    });

    test('temperatures: the mixtures that propose have theirs, those that weigh others', async () => {
      const [weight, c, u] = [2, { mean: 0.5, std: 0.8 }, { mean: -0.5, std: 1.5 }];
      const temperatures = { scale: 0.7, weighingScale: 1.4 };
      const pool = { conditional: 300, unconditional: 0 };
      const drawn = await draws(
        [{ weight: 1, ...c }],
        [{ weight: 1, ...u }],
        count,
        resampling({ weight, ...pool, ...temperatures }),
      );
      const normal = (x: number, { mean, std }: typeof c, scale: number) =>
        density([{ weight: 1, mean, std: std * scale }], x);
      const target = (x: number) =>
        normal(x, c, 0.7) * (normal(x, c, 1.4) / normal(x, u, 1.4)) ** weight;
      expect(distanceTo(drawn, target)).toBeLessThan(chance + 0.01);
    });

    test('a pool of one candidate is a plain draw from its mixture, whatever its weight', async () => {
      const fromC = resampling({ conditional: 1, unconditional: 0, weight: 3 });
      const fromU = resampling({ conditional: 0, unconditional: 1, weight: 3 });
      const drawn = await draws(bimodal, broad, count, fromC);
      expect(distanceTo(drawn, (x) => density(bimodal, x))).toBeLessThan(chance);
      const other = await draws(bimodal, broad, count, fromU);
      expect(distanceTo(other, (x) => density(broad, x))).toBeLessThan(chance);
    });

    test('equal mixtures leave nothing to guide by: all candidates tie, and p_c comes out', async () => {
      for (const guidance of [
        resampling({ weight: 2 }),
        resampling({ weight: 2, weighing: 'balance' }),
        { kind: 'naive', weight: 2, tries: 5 } as const,
      ]) {
        const drawn = await draws(bimodal, bimodal, count, guidance);
        expect(distanceTo(drawn, (x) => density(bimodal, x))).toBeLessThan(chance);
      }
    });

    test('many values are drawn in chunks, each with candidates of its own', async () => {
      const components = 4096;
      const flat = Array.from({ length: components }, () => ({ weight: 1, mean: 0.5, std: 0.7 }));
      // 2^24 candidate terms a chunk: 400 values of 20 candidates of 4096 components need two.
      const drawn = await draws(
        flat,
        flat,
        400,
        resampling({ conditional: 10, unconditional: 10 }),
      );
      expect(new Set(drawn).size).toBeGreaterThan(395);
      expect(distanceTo(drawn, (x) => density([flat[0]!], x))).toBeLessThan(2.47 / Math.sqrt(400));
    });

    test("with no spread it is components' means that are drawn, and guided", async () => {
      const [c, u] = [bimodal, [broad[0]!, { weight: 0.5, mean: 1.5, std: 0.5 }]];
      const random = new RandomStream(3);
      const result = scope(() =>
        drawGuided(
          {
            conditional: tensor(headOf(c), [1, 6]),
            unconditional: tensor(headOf(u), [1, 6]),
            ...{ values: 200, channels: 1, components: 2, redundant: true },
          },
          resampling({ weight: 4, unconditional: 0, redundantUnconditional: 0 }),
          random,
          { logitScale: 1, scale: 0 },
        ),
      );
      const values = Array.from(await result.data());
      // p_c / p_u is larger at −1, where the other component of p_u is far.
      expect(values.every((value) => value === -1 || value === 1.5)).toBe(true);
      expect(values.filter((value) => value === -1).length).toBeGreaterThan(190);
    });

    test.each([
      ['redundantPrior', 'independent-gaussian'] as const,
      ['prior', 'gaussian'] as const,
    ])('its T_σ narrows channels under N(0, I) too: %s %s', async (key, kind) => {
      const model = new Farmer({ ...tinyConfig, [key]: kind }, 1);
      const labels = model.labels([0, 1, 2]);
      // A plain Gaussian prior knows no classes, so that only w = 0 fits it.
      const weight = key === 'prior' ? 0 : 2;
      const redundantOf = async (scale: number) => {
        const random = new RandomStream(9);
        const guidance = resampling({ weight, scale });
        const { redundant } = sampleLatents(model, labels, random, { guidance });
        random.dispose();
        return [...(await redundant!.data())];
      };
      const [wide, narrow] = [await redundantOf(1), await redundantOf(0.5)];
      narrow.forEach((value, i) => expect(value).toBeCloseTo(0.5 * wide[i]!, 6));
    });

    test('a whole model samples under guidance', async () => {
      const model = new Farmer(tinyConfig, 1);
      randomizeParameters(model, 3);
      const labels = tensor([0, 1, 2], [3], 'i32');
      for (const guidance of [
        guidancePresets['farmer-1.1b'],
        { kind: 'naive', weight: 1, tries: 8 } as const,
      ]) {
        const random = new RandomStream(9);
        const { informative, redundant } = sampleLatents(model, labels, random, { guidance });
        expect(informative.shape).toEqual([3, 6, 3]);
        expect(redundant!.shape).toEqual([3, 6, 1]);
        const values = [...(await informative.data()), ...(await redundant!.data())];
        expect(values.every(Number.isFinite)).toBe(true);
        expect(new Set(values).size).toBeGreaterThan(values.length / 2);
        random.dispose();
      }
    });

    test('temperatures out of range are named', () => {
      const model = new Farmer(tinyConfig, 1);
      const random = new RandomStream(9);
      const sample = (options: SamplingOptions) => () =>
        scope(() => void sampleLatents(model, model.labels([0]), random, options));
      expect(sample({ scale: 0, redundantScale: 0 })).not.toThrow();
      expect(sample({ scale: -1 })).toThrow(
        'scale -1 is out of range; expected a number from 0 up',
      );
      expect(sample({ redundantScale: Infinity })).toThrow('redundantScale Infinity');
      expect(sample({ logitScale: 0 })).toThrow(
        'logitScale 0 is out of range; expected a number greater than 0',
      );
      expect(sample({ logitScale: NaN })).toThrow(RangeError);
      const head = tensor(headOf(bimodal), [1, 6]);
      const size = { values: 1, channels: 1, components: 2, redundant: false };
      const mixtures = { conditional: head, unconditional: head, ...size };
      const wrong = { logitScale: 1, scale: NaN };
      expect(() => drawGuided(mixtures, resampling({}), random, wrong)).toThrow('scale NaN');
    });
  },
  testDevices.filter((name) => name !== 'swiftshader'),
);

test('settings out of range are named', () => {
  const check = (changes: Partial<ResamplingGuidance>) => () => checkGuidance(resampling(changes));
  expect(check({})).not.toThrow();
  expect(check({ weight: -1 })).toThrow(
    'guidance: weight -1 is out of range; expected a number from 0 up',
  );
  expect(check({ weight: NaN })).toThrow('weight NaN');
  expect(check({ conditional: 1.5 })).toThrow('conditional 1.5');
  expect(check({ weighingScale: 0 })).toThrow('weighingScale 0');
  expect(check({ conditional: 0, unconditional: 0 })).toThrow('at least one candidate');
  expect(() => checkGuidance({ kind: 'naive', weight: 1, tries: 0 })).toThrow('tries 0');
  for (const preset of Object.values(guidancePresets))
    expect(() => checkGuidance(preset)).not.toThrow();
});
