import { describe, expect, it } from 'vitest';
import { ShapeInit } from '@farmer/nn';
import { ShapeDevice, withDefaultDevice } from '@farmer/tensor';
import {
  ConfigError,
  couplingOrder,
  distillationConfig,
  Farmer,
  parseConfig,
  parseDistillationConfig,
  preset,
  presets,
} from 'farmer';

/** The tiny preset with other values of the model. */
function withModel(changes: object) {
  const { model, training } = preset('tiny');
  return { model: { ...model, ...changes }, training };
}

describe('configurations', () => {
  it('of every preset are valid', () => {
    for (const [name, config] of Object.entries(presets)) {
      expect(parseConfig(config, name)).toEqual(config);
    }
  });

  it('name a number that is not finite', () => {
    const { model, training } = preset('tiny');
    const config = { model, training: { ...training, clip: Infinity } };
    expect(() => parseConfig(config, 'file')).toThrow('file: training.clip is Infinity');
  });

  it("without the baselines' keys mean the paper's model", () => {
    const { model, training } = preset('tiny');
    const older = JSON.parse(
      JSON.stringify({ ...model, prior: undefined, redundantPrior: undefined }),
    ) as Record<string, unknown>;
    older.flow = { blocks: 3, layers: 1, width: 48, heads: 3 };
    expect(parseConfig({ model: older, training }, 'file').model).toEqual(model);
  });

  it('without training.recompute keep all activations', () => {
    const { model, training } = preset('tiny');
    const { recompute, ...older } = training;
    expect(recompute).toBe(false);
    expect(parseConfig({ model, training: older }, 'file').training).toEqual(training);
  });

  it.each([
    [{ flow: { ...preset('tiny').model.flow, kind: 'glow' } }, 'model.flow.kind is "glow"'],
    [{ prior: 'student' }, 'model.prior is "student"'],
    [{ redundantPrior: 'none' }, 'model.redundantPrior is "none"'],
    [{ redundantprior: 'none' }, 'did you mean "model.redundantPrior"?'],
    [
      {
        flow: { ...preset('tiny').model.flow, kind: 'jet' },
        ...{ patch: 1, informativeChannels: 1 },
      },
      'a larger model.patch would fit',
    ],
    [{ informativeChannels: 17 }, 'model.informativeChannels 17 is more than the 16 channels'],
    [{ components: 0 }, 'model.components is 0'],
    [{ components: 1e9 }, 'model.components is 1000000000'],
    [{ sharedComponents: 1e9 }, 'model.sharedComponents is 1000000000'],
    [{ conditionRepeat: 1e9 }, 'model.conditionRepeat is 1000000000'],
    [{ patch: 2000 }, 'model.patch is 2000'],
    [{ ar: { ...preset('tiny').model.ar, heads: 5 } }, 'not a multiple of model.ar.heads 5'],
  ])('%j is refused, in a file and by a model', (changes, message) => {
    const config = withModel(changes);
    expect(() => parseConfig(config, 'file')).toThrow(message);
    const device = new ShapeDevice();
    const build = () => new Farmer(config.model, new ShapeInit(device));
    withDefaultDevice(device, () => {
      expect(build).toThrow(ConfigError);
      expect(build).toThrow(`new Farmer: `);
      expect(build).toThrow(message);
    });
  });
});

describe('configurations of a distillation', () => {
  const config = distillationConfig(preset('tiny').training);

  it('are valid as made from a training, and name the key that is not', () => {
    expect(parseDistillationConfig(config, 'file')).toEqual(config);
    for (const [changes, message] of [
      [{ latentnoise: 0.1 }, 'file: unknown key "latentnoise"; did you mean "latentNoise"?'],
      [{ latentNoise: -1 }, 'file: latentNoise is -1'],
      [{ warmup: config.steps }, `warmup ${config.steps} is not less than steps ${config.steps}`],
    ] as const) {
      const parse = () => parseDistillationConfig({ ...config, ...changes }, 'file');
      expect(parse).toThrow(ConfigError);
      expect(parse).toThrow(message);
    }
  });
});

describe('couplingOrder', () => {
  it.each([2, 3, 16, 17])('moves each of %i channels in one of two blocks at least', (channels) => {
    for (const pair of [0, 1, 2]) {
      const blocks = [2 * pair, 2 * pair + 1].map((t) => couplingOrder(channels, t));
      const moved = new Set(blocks.flatMap(({ order, fixed }) => [...order.slice(fixed)]));
      expect(moved.size).toBe(channels);
      for (const { order, fixed } of blocks) {
        expect([...order].sort((a, b) => a - b)).toEqual([...Array(channels).keys()]);
        expect(fixed).toBeGreaterThan(0);
        expect(fixed).toBeLessThan(channels);
      }
    }
  });

  it('differs from pair to pair', () => {
    expect(couplingOrder(16, 0).order).not.toEqual(couplingOrder(16, 2).order);
  });
});
