import { describe, expect, test } from 'vitest';
import {
  assign,
  empty,
  map,
  mean,
  scope,
  ShapeDevice,
  tensor,
  withDefaultDevice,
  withMemoryTag,
  type Device,
  type Tensor,
} from '@farmer/tensor';
import { valueAndGrad } from '@farmer/autograd';
import { AdamW, createKeyValueCache, Init, ShapeInit, Transformer } from '@farmer/nn';
import { CapturedTraining, Farmer, negativeLogLikelihood, preset } from 'farmer';
import { openTestDevice, testDevices } from '../support/devices.ts';
import { normals, randomizeParameters } from '../support/farmer.ts';

const initOn = (device: Device) =>
  device instanceof ShapeDevice ? new ShapeInit(device) : new Init(1, device);

interface StepOptions {
  readonly recompute: boolean;
}

/** One captured step of the tiny FARMER; @returns the parameters afterwards */
function trainFarmer(device: Device, { recompute }: StepOptions): readonly Tensor[] {
  const { model: config, training: options } = preset('tiny');
  const model = new Farmer(config, initOn(device));
  if (device.kind !== 'shapes') randomizeParameters(model, 2, 0.05);
  model.recompute = recompute;
  const images = tensor(normals(1, 16 * 784), [16, 28, 28, 1]);
  const labels = tensor(new Int32Array(16), [16], 'i32');
  const training = new CapturedTraining(options, {
    parameters: model.namedParameters(),
    prepare: () => {},
    loss: () => negativeLogLikelihood(model.logLikelihood(images, labels), 784),
  });
  training.advance();
  return model.parameters();
}

/** One captured step of a stack of Transformer blocks with a squared loss; @returns loss and gradients */
function trainTransformer(device: Device, { recompute }: StepOptions): readonly Tensor[] {
  const model = new Transformer(initOn(device), { layers: 4, width: 64, heads: 4 });
  model.recompute = recompute;
  const [batch, tokens] = [8, 48];
  const x = tensor(normals(3, batch * tokens * 64), [batch, tokens, 64]);
  const optimiser = new AdamW(model.namedParameters(), { clipNorm: 1 });
  optimiser.setStep(1e-3, 1);
  const loss = () => mean(map('y * y', { y: model.forward(x, { causal: true }) }));
  let results: readonly Tensor[] = [];
  device.capture(() => {
    results = scope(() => {
      const { value, gradients } = valueAndGrad(loss, model.parameters());
      optimiser.update(gradients, value);
      return [value, ...gradients];
    });
  });
  return results;
}

const steps = { 'the tiny FARMER': trainFarmer, 'a stack of Transformer blocks': trainTransformer };
type Step = typeof trainFarmer;

function needOf(step: Step, options: StepOptions) {
  const shapes = new ShapeDevice();
  withDefaultDevice(shapes, () => step(shapes, options));
  return shapes.need();
}

/** Runs a step on a device of its own, since a device's peak counts from its start. */
async function measure(name: string, step: Step, options: StepOptions) {
  const device = await openTestDevice(name);
  try {
    const { peak: before } = device.memory();
    const results = withDefaultDevice(device, () => step(device, options));
    await device.synchronize();
    const { peak, peakByTag } = device.memory();
    return { peak: peak - before, peakByTag, values: await readAll(results) };
  } finally {
    device.destroy();
  }
}

const readAll = (tensors: readonly Tensor[]) => Promise.all(tensors.map((each) => each.data()));

describe.each(testDevices)('memory on %s', (name) => {
  test.each(Object.entries(steps))(
    'a captured step of %s takes little more than it needs; less if it computes again, to the same bits',
    async (_, step) => {
      const need = needOf(step, { recompute: false });
      const kept = await measure(name, step, { recompute: false });
      expect(kept.peak).toBeGreaterThanOrEqual(need.bytes);
      expect(kept.peak).toBeLessThan(1.3 * need.bytes);
      for (const tag of ['parameters', 'optimiser', 'activations']) {
        expect(kept.peakByTag[tag]).toBeGreaterThan(0.85 * need.byTag[tag]!);
        expect(kept.peakByTag[tag]).toBeLessThan(1.3 * need.byTag[tag]!);
      }

      const needAgain = needOf(step, { recompute: true });
      expect(needAgain.bytes).toBeLessThan(0.8 * need.bytes);
      const again = await measure(name, step, { recompute: true });
      expect(again.peak).toBeLessThan(0.75 * kept.peak);
      expect(again.values).toEqual(kept.values);
    },
  );

  test('is booked by tag, and captures take what an earlier one left', async () => {
    const device = await openTestDevice(name);
    withDefaultDevice(device, () => {
      const x = withMemoryTag('mine', () => empty([1000]));
      const caches = [0, 1, 2].map(() => createKeyValueCache([2, 8, 16]));
      expect(device.memory().byTag).toMatchObject({ mine: 4096, cache: 6 * 1024 });
      expect(device.memory().byTag.other).toBeUndefined();
      const square = () =>
        device.capture(() => scope(() => void map('y * x', { x, y: map('x * x', { x }) })));
      const first = square();
      const { live, pooled, peak } = device.memory();
      expect(device.memory().byTag.graph).toBe(2 * 4096);
      first.dispose();
      expect(device.memory().byTag.graph).toBeUndefined();
      square();
      expect(device.memory()).toMatchObject({ live, pooled, peak });
      x.dispose();
      for (const { keys, values } of caches) [keys, values].forEach((each) => each.dispose());
    });
    device.destroy();
  });

  test('that nothing uses is given back by trim, and what a graph or a tensor uses is not', async () => {
    const device = await openTestDevice(name);
    await withDefaultDevice(device, async () => {
      const x = tensor(normals(3, 4096), [4096]);
      const y = empty([4096]);
      // Its intermediate results lie in memory that the graph keeps.
      const graph = device.capture(() =>
        scope(() => assign(y, map('2 * x', { x: map('x + 1', { x }) }))),
      );
      // Freed by now, but perhaps not yet run.
      const mean3 = scope(() => mean(map('x * x + 3', { x })));
      const before = device.memory();
      expect(before.pooled).toBeGreaterThan(0);
      device.trim();
      const after = device.memory();
      expect(after.live).toBe(before.live);
      const data = Array.from(await x.data());
      const square = data.reduce((sum, value) => sum + value * value, 0) / 4096;
      expect(await mean3.item()).toBeCloseTo(square + 3, 4);
      expect(after.pooled).toBe(0);
      graph.replay();
      const expected = data.map((value) => 2 * (value + 1));
      expect([...(await y.data())]).toEqual(expected.map((value) => expect.closeTo(value, 4)));
      // The shapes from before, in new memory.
      const mapped = scope(() => map('x + 1', { x }));
      expect((await mapped.data())[0]).toBeCloseTo(expected[0]! / 2, 5);
      graph.dispose();
      [x, y, mean3, mapped].forEach((each) => each.dispose());
    });
    device.destroy();
  });

  test('of a capture that throws is free again', async () => {
    const device = await openTestDevice(name);
    const x = withDefaultDevice(device, () => empty([1000]));
    const fail = () =>
      device.capture(() => {
        scope(() => void map('x * x', { x }));
        throw new Error('no');
      });
    expect(fail).toThrow('no');
    const { live, pooled } = device.memory();
    expect(device.memory().byTag.graph).toBeUndefined();
    expect(fail).toThrow('no');
    expect(device.memory()).toMatchObject({ live, pooled });
    device.destroy();
  });

  test('of a graph that is disposed cannot be replayed, nor a graph inside a capture', async () => {
    const device = await openTestDevice(name);
    const x = withDefaultDevice(device, () => empty([1000]));
    const square = device.capture(() => scope(() => void map('x * x', { x })));
    const replay = () => square.replay();
    expect(() => device.capture(replay)).toThrow('inside a capture');
    expect(replay).not.toThrow();
    square.dispose();
    expect(replay).toThrow('disposed');
    device.destroy();
  });
});
