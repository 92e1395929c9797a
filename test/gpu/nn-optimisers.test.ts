import { expect, test } from 'vitest';
import {
  Adam,
  AdamW,
  decodeSafetensors,
  Ema,
  encodeSafetensors,
  Sgd,
  type Optimiser,
} from '@farmer/nn';
import { sampleRandom, scalar, scope, sizeOf, tensor, type Tensor } from '@farmer/tensor';
import { mismatch, uniformSource } from '@farmer/tensor/conformance';
import { describeOnDevices } from '../support/devices.ts';

const shapes = { 'a.weight': [5, 7], 'a.bias': [7], 'b.weight': [3], gain: [] as number[] };
const names = Object.keys(shapes) as (keyof typeof shapes)[];
type Values = Record<keyof typeof shapes, number[]>;

const draw = (seed: number, scale = 1): Values => {
  const random = sampleRandom(uniformSource(seed));
  const entries = names.map((name) => [name, [...random.normals(shapes[name], scale).data]]);
  return Object.fromEntries(entries) as Values;
};
const normOf = (values: Values) =>
  Math.sqrt(names.flatMap((name) => values[name]).reduce((sum, v) => sum + v * v, 0));

interface Step {
  readonly gradients: Values;
  readonly rate: number;
}

/** Five steps of a falling rate: the second large, so that it is clipped, the fourth not finite. */
const steps: Step[] = [0.3, 20, 0.1, NaN, 0.5].map((scale, i) => ({
  gradients: draw(100 + i, Number.isNaN(scale) ? 1 : scale),
  rate: 0.05 / (1 + i),
}));
steps[3]!.gradients.gain[0] = NaN;
const clipNorm = 4;

/** What every optimiser does around its rule: clip by the global norm, skip what is not finite. */
function reference(
  start: Values,
  rule: (name: keyof Values, i: number, p: number, g: number, step: Step, t: number) => number,
): { parameters: Values; norms: number[] } {
  const parameters = structuredClone(start);
  const norms = steps.map(({ gradients }) => normOf(gradients));
  steps.forEach((step, k) => {
    if (!Number.isFinite(norms[k]!)) return;
    const scale = Math.min(1, clipNorm / norms[k]!);
    for (const name of names) {
      parameters[name] = parameters[name].map((p, i) =>
        rule(name, i, p, step.gradients[name][i]! * scale, step, k + 1),
      );
    }
  });
  return { parameters, norms };
}

function adamwRule(
  betas: [number, number],
  weightDecay: number,
  decays: (name: string) => boolean,
) {
  const state = new Map<string, [number, number]>();
  const [b1, b2] = betas;
  return (name: string, i: number, p: number, g: number, { rate }: Step, t: number) => {
    const [m0, v0] = state.get(`${name}${i}`) ?? [0, 0];
    const [m, v] = [b1 * m0 + (1 - b1) * g, b2 * v0 + (1 - b2) * g * g];
    state.set(`${name}${i}`, [m, v]);
    const step = m / (1 - b1 ** t) / (Math.sqrt(v / (1 - b2 ** t)) + 1e-8);
    return p - rate * (step + (decays(name) ? weightDecay : 0) * p);
  };
}

function sgdRule(momentum: number, weightDecay: number) {
  const velocity = new Map<string, number>();
  return (name: string, i: number, p: number, g: number, { rate }: Step) => {
    const decay = name === 'a.weight' ? weightDecay : 0;
    const v = momentum * (velocity.get(`${name}${i}`) ?? 0) + g + decay * p;
    velocity.set(`${name}${i}`, v);
    return p - rate * v;
  };
}

describeOnDevices('optimisers', (device) => {
  const onDevice = (values: Values) =>
    new Map(names.map((name) => [name as string, tensor(values[name], shapes[name])]));

  async function expectValues(actual: ReadonlyMap<string, Tensor>, expected: Values) {
    for (const name of names) {
      const data = await actual.get(name)!.data();
      expect([name, mismatch(data, expected[name], { relative: 1e-5 })]).toEqual([name, undefined]);
    }
  }

  /** Runs steps from…to−1 and reads back the reported norms and flags. */
  async function run(optimiser: Optimiser, from = 0, to = steps.length) {
    const reports: [number, number][] = [];
    for (let k = from; k < to; k++) {
      const { gradients, rate } = steps[k]!;
      optimiser.setStep(rate, k + 1);
      const { norm, finite } = scope(() => optimiser.update([...onDevice(gradients).values()]));
      reports.push([await norm.item(), await finite.item()]);
      norm.dispose();
      finite.dispose();
    }
    return reports;
  }

  test('AdamW: clipping, decoupled decay of matrices only, a skipped step', async () => {
    const parameters = onDevice(draw(1));
    const options = { betas: [0.8, 0.9] as const, weightDecay: 0.3, clipNorm };
    const reports = await run(new AdamW(parameters, options));
    const expected = reference(
      draw(1),
      adamwRule([0.8, 0.9], 0.3, (name) => name === 'a.weight'),
    );
    await expectValues(parameters, expected.parameters);
    expect(expected.norms[1]).toBeGreaterThan(clipNorm);
    expect(expected.norms[0]).toBeLessThan(clipNorm);
    expect(reports.map(([, finite]) => finite)).toEqual([1, 1, 1, 0, 1]);
    for (const k of [0, 1, 2, 4]) expect(reports[k]![0] / expected.norms[k]!).toBeCloseTo(1, 5);
  });

  test('AdamW: another choice of what decays, the default betas', async () => {
    const parameters = onDevice(draw(2));
    const decay = (name: string) => name.startsWith('b.') || name === 'gain';
    await run(new AdamW(parameters, { weightDecay: 0.2, decay, clipNorm }));
    const rule = adamwRule([0.9, 0.95], 0.2, decay);
    await expectValues(parameters, reference(draw(2), rule).parameters);
  });

  test('Adam', async () => {
    const parameters = onDevice(draw(3));
    await run(new Adam(parameters, { betas: [0.9, 0.999], clipNorm }));
    const rule = adamwRule([0.9, 0.999], 0, () => false);
    await expectValues(parameters, reference(draw(3), rule).parameters);
  });

  test.each([0, 0.9])('Sgd with momentum %d', async (momentum) => {
    const parameters = onDevice(draw(4));
    await run(new Sgd(parameters, { momentum, weightDecay: 0.1, clipNorm }));
    await expectValues(parameters, reference(draw(4), sgdRule(momentum, 0.1)).parameters);
  });

  test('a loss that is not finite skips the step although all gradients are', async () => {
    const parameters = onDevice(draw(5));
    const optimiser = new AdamW(parameters);
    optimiser.setStep(0.1, 1);
    const before = await optimiser.stateDict();
    for (const loss of [NaN, Infinity, -Infinity]) {
      const gradients = [...onDevice(steps[0]!.gradients).values()];
      const { finite } = optimiser.update(gradients, scalar(loss));
      expect(await finite.item()).toBe(0);
    }
    await expectValues(parameters, draw(5));
    expect(await optimiser.stateDict()).toEqual(before);
    const gradients = [...onDevice(steps[0]!.gradients).values()];
    const { finite } = optimiser.update(gradients, scalar(-3));
    expect(await finite.item()).toBe(1);
    expect(await parameters.get('gain')!.item()).not.toBe(Math.fround(draw(5).gain[0]!));
  });

  test.each(['AdamW', 'Sgd'])('%s resumes from a file to the bit', async (kind) => {
    const make = (parameters: Map<string, Tensor>) =>
      kind === 'AdamW'
        ? new AdamW(parameters, { weightDecay: 0.1, clipNorm })
        : new Sgd(parameters, { momentum: 0.9, clipNorm });
    const whole = onDevice(draw(6));
    await run(make(whole));

    const first = onDevice(draw(6));
    const interrupted = make(first);
    await run(interrupted, 0, 2);
    const file = encodeSafetensors(await interrupted.stateDict());
    const second = new Map<string, Tensor>();
    for (const [name, p] of first) second.set(name, tensor(await p.data(), p.shape));
    const resumed = make(second);
    resumed.loadStateDict(decodeSafetensors(file, 'optimiser').tensors, 'optimiser');
    await run(resumed, 2);
    for (const [name, p] of second) expect(await p.data()).toEqual(await whole.get(name)!.data());
  });

  test('the state names each parameter, and loading another state changes nothing', async () => {
    const optimiser = new AdamW(onDevice(draw(7)));
    await run(optimiser, 0, 1);
    const state = await optimiser.stateDict();
    expect(Object.keys(state).sort()).toEqual(
      names.flatMap((name) => [`firstMoment.${name}`, `secondMoment.${name}`]).sort(),
    );
    for (const name of names) {
      expect(state[`secondMoment.${name}`]!.shape).toEqual(shapes[name]);
      expect(state[`secondMoment.${name}`]!.data).toHaveLength(sizeOf(shapes[name]));
    }
    const spoiled = new Map(Object.entries(state));
    spoiled.delete('firstMoment.gain');
    expect(() => optimiser.loadStateDict(spoiled, 'optimiser.safetensors')).toThrow(
      'optimiser.safetensors does not fit this optimiser: missing "firstMoment.gain" []',
    );
    expect(await optimiser.stateDict()).toEqual(state);
  });

  test('refuses steps counted from 0, no parameters, a clip of 0, and rates out of range', () => {
    const parameters = onDevice(draw(8));
    for (const betas of [
      [0.9, 1],
      [-0.1, 0.9],
      [NaN, 0.9],
    ] as [number, number][]) {
      expect(() => new AdamW(parameters, { betas })).toThrow('are not in [0, 1)');
    }
    expect(() => new Sgd(parameters, { momentum: 1 })).toThrow('momentum 1 is not in [0, 1)');
    for (const optimiser of [new AdamW(parameters), new Sgd(parameters)]) {
      for (const rate of [NaN, -1, Infinity]) {
        expect(() => optimiser.setStep(rate, 1)).toThrow(`learning rate ${rate}`);
      }
    }
    expect(() => new AdamW(parameters).setStep(0.1, 0)).toThrow('step 0 is not counted from 1');
    expect(() => new AdamW(new Map())).toThrow('needs at least one parameter');
    expect(() => new AdamW(parameters, { clipNorm: 0 })).toThrow('clipNorm 0');
  });

  test('changes nothing before the first setStep, nor with gradients left out', async () => {
    const parameters = onDevice(draw(8));
    const gradients = [...onDevice(draw(9)).values()];
    const optimiser = new AdamW(parameters);
    expect(() => optimiser.update(gradients)).toThrow('call setStep(learningRate, step) first');
    optimiser.setStep(0.1, 1);
    expect(() => optimiser.update(gradients.slice(1))).toThrow('3 gradients for 4 parameters');
    await expectValues(parameters, draw(8));
  });

  test('Ema follows its formula, swaps in and out, and loads into itself', async () => {
    const parameters = onDevice(draw(9));
    const ema = new Ema(parameters, 0.8);
    let average = draw(9);
    for (const seed of [10, 11, 12]) {
      const next = draw(seed);
      for (const name of names) parameters.get(name)!.write(next[name]);
      ema.update();
      average = Object.fromEntries(
        names.map((name) => [name, average[name].map((a, i) => 0.8 * a + 0.2 * next[name][i]!)]),
      ) as Values;
    }
    await expectValues(parameters, draw(12));
    ema.swap();
    await expectValues(parameters, average);
    const swapped = await ema.stateDict();
    for (const name of names) expect([...swapped[name]!.data]).toEqual(draw(12)[name]);
    ema.swap();
    await expectValues(parameters, draw(12));
    ema.loadStateDict(new Map(Object.entries(swapped)), 'ema');
    expect(await ema.stateDict()).toEqual(swapped);
    expect(() => ema.loadStateDict(new Map(), 'ema')).toThrow('missing "a.weight" [5, 7]');
    expect(() => new Ema(parameters, 1.5)).toThrow('Ema: decay 1.5 is not in [0, 1]');
  });

  test('dispose frees the state and leaves the parameters', () => {
    const parameters = onDevice(draw(13));
    const before = device().memory().liveBlocks;
    const owners = [
      new AdamW(parameters),
      new Sgd(parameters, { momentum: 0.5 }),
      new Ema(parameters, 0.9),
    ];
    expect(device().memory().liveBlocks).toBe(before + 3 + 2 + 4);
    owners.forEach((owner) => owner.dispose());
    expect(device().memory().liveBlocks).toBe(before);
  });
});
