import { expect, test } from 'vitest';
import { arenaOffsets, arenaSize, parse, registry, type TensorSpec } from '@farmer/tensor';

const spec = (...shape: number[]): TensorSpec => ({ shape, dtype: 'f32' });

function infer(name: string, inputs: TensorSpec[], params: unknown): TensorSpec[] {
  return registry.find((op) => op.name === name)!.infer(inputs, params);
}

test('an arena starts each parameter on a whole quad', () => {
  const parameters = [spec(3), spec(2, 4), spec(), spec(5)];
  expect(arenaOffsets(parameters)).toEqual([0, 4, 12, 16]);
  expect(arenaSize(parameters)).toBe(24);
});

test('a head of the wrong size is refused with the size that would fit', () => {
  const params = { components: 4, logitScale: 1, scale: 1 };
  expect(() => infer('gaussianMixtureLogProb', [spec(2, 1, 8), spec(2, 64)], params)).toThrow(
    'gaussianMixtureLogProb: values [groups, n, channels] with 4 components need a head ' +
      '[groups, components·(1 + 2·channels)], got [2, 1, 8] and [2, 64]; [2, 68] would fit',
  );
});

test('the affine map refuses parameters that are not a shift and a log-scale a channel', () => {
  expect(() => infer('affineFlow', [spec(2, 5, 8), spec(2, 5, 8)], {})).toThrow(
    'affineFlow: needs x [batch, tokens, channels] and params [batch, tokens, 2·channels]',
  );
});

test('an optimiser step refuses a gradient, an arena or decays that do not fit its parameter', () => {
  const params = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: [0] };
  const step = (gradient: TensorSpec, arena: TensorSpec, weightDecay = [0]) =>
    infer('adamw of 1', [spec(4), spec(2), spec(3, 5), gradient, arena, arena], {
      ...params,
      weightDecay,
    });
  expect(step(spec(3, 5), spec(16))).toEqual([]);
  expect(() => step(spec(5, 3), spec(16))).toThrow(
    'adamw: parameter 0 has shape [3, 5], its gradient [5, 3]',
  );
  expect(() => step(spec(3, 5), spec(15))).toThrow('need an arena of 16 elements, got [15]');
  expect(() => step(spec(3, 5), spec(16), [])).toThrow(
    'adamw: 1 parameters need as many weight decays, got 0',
  );
});

test('a sum or a cache in place refuses integers, whose bits it would add or store as floats', () => {
  const integers: TensorSpec = { shape: [2, 3, 4], dtype: 'i32' };
  const floats = spec(2, 3, 4);
  const position: TensorSpec = { shape: [1], dtype: 'u32' };
  expect(infer('addAssign', [floats, floats], undefined)).toEqual([]);
  expect(infer('cacheWrite', [floats, floats, position], {})).toEqual([]);
  for (const pair of [
    [integers, floats],
    [floats, integers],
    [integers, integers],
  ] as const) {
    expect(() => infer('addAssign', [...pair], undefined)).toThrow('needs two f32 tensors');
    expect(() => infer('cacheWrite', [...pair, position], {})).toThrow('expected f32');
  }
});

test('ops of floats alone refuse integers, whose bits their kernels would take for floats', () => {
  const heads = { heads: 1, causal: false };
  const mixture = { components: 1, logitScale: 1, scale: 1 };
  const decays = { momentum: 0, weightDecay: [0] };
  const product = { transposeA: false, transposeB: false, epilogue: parse('acc'), names: [] };
  const adamw = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: [0] };
  const [scalars, clip, vector] = [spec(4), spec(2), spec(4)];
  const cases: [string, TensorSpec[], unknown][] = [
    ['matmul', [spec(2, 3), spec(3, 4)], { ...product, numbers: {} }],
    ['attention', [spec(1, 2, 4), spec(1, 3, 4), spec(1, 3, 4)], heads],
    ['affineFlow', [spec(1, 2, 3), spec(1, 2, 6)], {}],
    ['gaussianMixtureLogProb', [spec(2, 1, 3), spec(2, 7)], mixture],
    ['sampleGaussianMixture', [spec(2, 7), spec(2, 1), spec(2, 1, 3)], mixture],
    ['globalNorm', [spec(3), spec(2, 2)], {}],
    ['clipScale', [spec()], { maxNorm: 1 }],
    ['adamw of 1', [scalars, clip, vector, vector, vector, vector], adamw],
    ['sgd of 7', [scalars, clip, ...Array(14).fill(vector)], { ...decays, weightDecay: Array(7) }],
    ['ema of 13', Array(26).fill(vector), { decay: 0.9 }],
  ];
  for (const [name, inputs, params] of cases) {
    expect(() => infer(name, inputs, params), name).not.toThrow();
    inputs.forEach((_, wrong) => {
      const some = inputs.map((input, i) =>
        i === wrong ? { ...input, dtype: 'i32' as const } : input,
      );
      expect(() => infer(name, some, params), name).toThrow(
        `input ${wrong} is i32; cast it to f32`,
      );
    });
  }
});
