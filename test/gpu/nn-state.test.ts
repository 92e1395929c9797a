import { describe, expect, test } from 'vitest';
import {
  decodeSafetensors,
  encodeSafetensors,
  Init,
  Linear,
  Module,
  StateDictError,
  Transformer,
  type StateDict,
} from '@farmer/nn';
import { scope, type Tensor } from '@farmer/tensor';
import { describeOnDevices } from '../support/devices.ts';
import { randomise } from '../support/module.ts';

class Tied extends Module {
  readonly table: Tensor;
  readonly layers: Linear[];
  readonly again: Tensor;
  readonly width = 3;
  readonly #hidden: Tensor;

  constructor(init: Init) {
    super();
    this.table = init.ones([3, 2]);
    this.layers = [new Linear(init, 3, 2), new Linear(init, 2, 2, { bias: false })];
    this.again = this.table;
    this.#hidden = init.zeros([1]);
  }

  override dispose(): void {
    this.#hidden.dispose();
    super.dispose();
  }
}

describeOnDevices('modules and their state', (device) => {
  const asMap = (state: StateDict) => new Map(Object.entries(state));

  test('parameters are named by path in definition order, shared ones once', () => {
    const module = new Tied(new Init(1));
    expect([...module.namedParameters().keys()]).toEqual([
      'table',
      'layers.0.weight',
      'layers.0.bias',
      'layers.1.weight',
    ]);
    expect(module.parameterCount()).toBe(6 + 8 + 4);
    const transformer = new Transformer(new Init(1), { layers: 2, width: 4, heads: 2 });
    expect(transformer.namedParameters().has('blocks.1.attention.query.weight')).toBe(true);
  });

  test('parameters outlive scopes until dispose', () => {
    const before = device().memory().liveBlocks;
    let module!: Tied;
    scope(() => {
      module = new Tied(new Init(1));
    });
    expect(device().memory().liveBlocks).toBe(before + 5);
    module.dispose();
    expect(device().memory().liveBlocks).toBe(before);
  });

  test('the seed and the order of construction fix the initial values', async () => {
    const build = async (seed: number) => {
      const init = new Init(seed);
      new Linear(init, 3, 3);
      return (await new Linear(init, 4, 5, { std: 1 }).stateDict()).weight!.data;
    };
    const [a, same, other] = await Promise.all([build(7), build(7), build(8)]);
    expect(same).toEqual(a);
    expect(other).not.toEqual(a);
    const first = await new Linear(new Init(7), 4, 5, { std: 1 }).stateDict();
    expect(first.weight!.data).not.toEqual(a);
  });

  test('initial values have the asked for distribution', async () => {
    const init = new Init(2);
    const normal = Array.from(await init.normal([200, 100], 0.02).data());
    const mean = normal.reduce((s, v) => s + v, 0) / normal.length;
    const std = Math.sqrt(normal.reduce((s, v) => s + (v - mean) ** 2, 0) / normal.length);
    expect(Math.abs(mean)).toBeLessThan(6e-4);
    expect(Math.abs(std - 0.02)).toBeLessThan(5e-4);
    const uniform = await init.uniform([200, 100], 0.5).data();
    expect(Math.max(...uniform)).toBeLessThanOrEqual(0.5);
    expect(Math.max(...uniform)).toBeGreaterThan(0.499);
    expect(Math.min(...uniform)).toBeGreaterThanOrEqual(-0.5);
    expect(Math.min(...uniform)).toBeLessThan(-0.499);
  });

  test('a state dict survives a safetensors file', async () => {
    const options = { layers: 1, width: 4, heads: 2, finalNorm: true };
    const [saved, loaded] = [1, 2].map((seed) => new Transformer(new Init(seed), options));
    randomise(saved!, 3);
    const state = await saved!.stateDict();
    const { tensors } = decodeSafetensors(encodeSafetensors(state), 'model.safetensors');
    loaded!.loadStateDict(tensors, 'model.safetensors');
    expect(await loaded!.stateDict()).toEqual(state);
  });

  describe('loading refuses, in one line, and changes nothing', () => {
    const cases: [string, (state: Map<string, StateDict[string]>) => void, string][] = [
      ['a missing tensor', (s) => s.delete('layers.0.bias'), 'missing "layers.0.bias" [2]'],
      [
        'an extra tensor',
        (s) => s.set('layers.2.weight', s.get('table')!),
        'unexpected "layers.2.weight"',
      ],
      [
        'a misshapen tensor',
        (s) => s.set('table', { ...s.get('table')!, shape: [2, 3] }),
        '"table" has shape [2, 3], expected [3, 2]',
      ],
    ];
    test.each(cases)('%s', async (_, spoil, message) => {
      const module = new Tied(new Init(1));
      const before = await module.stateDict();
      const state = asMap(await new Tied(new Init(2)).stateDict());
      spoil(state);
      const load = () => module.loadStateDict(state, 'run/model.safetensors');
      expect(load).toThrow(StateDictError);
      expect(load).toThrow(`run/model.safetensors does not fit this model: ${message}`);
      expect(await module.stateDict()).toEqual(before);
    });

    test('many problems at once, shortened', () => {
      const module = new Transformer(new Init(1), { layers: 1, width: 4, heads: 2 });
      expect(() =>
        module.loadStateDict(new Map([['x', { shape: [1], data: new Float32Array(1) }]]), 'f'),
      ).toThrow(
        /^f does not fit this model: missing "blocks\.0\.attentionNorm\.scale" \[4\]; .*; and 9 more$/,
      );
    });
  });
});
