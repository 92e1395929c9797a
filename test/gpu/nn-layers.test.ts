import { beforeAll, expect, test } from 'vitest';
import { gradCheck, valueAndGrad } from '@farmer/autograd';
import {
  Dropout,
  Embedding,
  Init,
  LayerNorm,
  Linear,
  Mlp,
  MultiHeadAttention,
  RmsNorm,
  Transformer,
  TransformerBlock,
  type Module,
} from '@farmer/nn';
import { map, mean, RandomStream, scope, sum, tensor } from '@farmer/tensor';
import { uniformSource } from '@farmer/tensor/conformance';
import { expectClose, normals } from '../support/arrays.ts';
import { describeOnDevices } from '../support/devices.ts';
import * as formulas from '../support/formulas.ts';
import { hostParameters, randomise } from '../support/module.ts';

/** The formula of a pre-norm block for one sequence. */
async function blockFormula(block: Module, x: formulas.Matrix, heads: number, causal: boolean) {
  const { matrix, vector } = await hostParameters(block);
  const affine = (x: formulas.Matrix, path: string) =>
    formulas.affine(x, matrix(`${path}.weight`), vector(`${path}.bias`));
  const norm = (x: formulas.Matrix, path: string) =>
    formulas.layerNorm(x, vector(`${path}.scale`), vector(`${path}.shift`));
  const a = norm(x, 'attentionNorm');
  const [q, k, v] = ['query', 'key', 'value'].map((name) => affine(a, `attention.${name}`));
  const mixed = formulas.attention(q!, k!, v!, { heads, causal });
  const h = formulas.add(x, affine(mixed, 'attention.output'));
  const hidden = formulas.geluTanh(affine(norm(h, 'mlpNorm'), 'mlp.up'));
  return formulas.add(h, affine(hidden, 'mlp.down'));
}

describeOnDevices('layers', () => {
  let init: Init;
  beforeAll(() => {
    init = new Init(1);
  });

  test('Linear: x W + b, with activation and residual', async () => {
    const linear = new Linear(init, 5, 7);
    randomise(linear, 1);
    const { matrix, vector } = await hostParameters(linear);
    const [x, residual] = [normals([2, 3, 5], 2), normals([2, 3, 7], 3)];
    const plain = formulas.affine(formulas.toMatrix(x, 5), matrix('weight'), vector('bias'));
    const [tx, tr] = [tensor(x, [2, 3, 5]), tensor(residual, [2, 3, 7])];
    await expectClose(linear.forward(tx), plain);
    const active = formulas.add(formulas.geluTanh(plain), formulas.toMatrix(residual, 7));
    const options = { activation: 'geluTanh', residual: tr };
    await expectClose(linear.forward(tx, options), active);
    const report = await gradCheck(
      () => mean(map('y * y', { y: linear.forward(tx, options) })),
      [linear.weight, linear.bias!, tx, tr],
      { directions: 2, random: uniformSource(4) },
    );
    expect(report.worst).toBeLessThan(5e-3);
  });

  test('Linear: options', async () => {
    const zero = await new Linear(init, 3, 2, { zero: true, bias: false }).stateDict();
    expect(zero).toEqual({ weight: { dtype: 'F32', shape: [3, 2], data: new Float32Array(6) } });
    const { data } = (await new Linear(init, 100, 100, { std: 0.5 }).stateDict()).weight!;
    const size = Math.sqrt(data.reduce((sum, v) => sum + v * v, 0) / data.length);
    expect(Math.abs(size - 0.5)).toBeLessThan(0.02);
  });

  test('Embedding, LayerNorm, RmsNorm, Mlp follow their formulas', async () => {
    const x = normals([4, 6], 5);
    const rows = formulas.toMatrix(x, 6);
    const tx = tensor(x, [2, 2, 6]);
    const [table, layer, rms, mlp] = [
      new Embedding(init, 9, 6),
      new LayerNorm(init, 6),
      new RmsNorm(init, 6),
      new Mlp(init, 6, 11),
    ] as const;
    [table, layer, rms, mlp].forEach((module, i) => randomise(module, 6 + i));
    const [ht, hl, hr, hm] = await Promise.all([table, layer, rms, mlp].map(hostParameters));
    const indices = tensor([3, 0, 8, 3], [2, 2], 'i32');
    await expectClose(
      table.forward(indices),
      [3, 0, 8, 3].map((i) => ht!.matrix('weight')[i]!),
    );
    const normed = formulas.layerNorm(rows, hl!.vector('scale'), hl!.vector('shift'));
    await expectClose(layer.forward(tx), normed);
    await expectClose(rms.forward(tx), formulas.rmsNorm(rows, hr!.vector('scale')));
    const up = formulas.affine(rows, hm!.matrix('up.weight'), hm!.vector('up.bias'));
    const down = formulas.affine(
      formulas.geluTanh(up),
      hm!.matrix('down.weight'),
      hm!.vector('down.bias'),
    );
    await expectClose(mlp.forward(tx), down);
  });

  test.each([true, false])('TransformerBlock follows its formula, causal: %s', async (causal) => {
    const [tokens, width, heads] = [7, 12, 3];
    const block = new TransformerBlock(init, { width, heads, mlpRatio: 2 });
    randomise(block, 11);
    const x = normals([2, tokens, width], 12);
    const expected = await Promise.all(
      [0, 1].map((b) => {
        const sequence = x.subarray(b * tokens * width, (b + 1) * tokens * width);
        return blockFormula(block, formulas.toMatrix(sequence, width), heads, causal);
      }),
    );
    const y = scope(() => block.forward(tensor(x, [2, tokens, width]), { causal }));
    await expectClose(y, expected.flat(), 5e-5);
  });

  test('gradients of a TransformerBlock agree with finite differences', async () => {
    const block = new TransformerBlock(init, { width: 8, heads: 2, mlpRatio: 2 });
    randomise(block, 13);
    const [x, target] = [14, 15].map((seed) => tensor(normals([2, 5, 8], seed), [2, 5, 8]));
    const loss = () =>
      mean(map('square(y - target)', { y: block.forward(x!, { causal: true }), target: target! }));
    const wrt = [x!, ...block.parameters()];
    const random = uniformSource(16);
    const report = await gradCheck(loss, wrt, { directions: 2, random });
    // A key bias shifts all scores of a query alike: its gradient is zero, and `worst` compares rounding.
    expect(report.analytic).toHaveLength(2 * wrt.length);
    report.analytic.forEach((analytic, i) => {
      expect(Math.abs(analytic - report.numeric[i]!)).toBeLessThan(
        2e-3 * Math.abs(analytic) + 2e-4,
      );
    });
  });

  test('recomputing blocks gives the same gradients', async () => {
    const model = new Transformer(init, { layers: 2, width: 8, heads: 2, mlpRatio: 2 });
    randomise(model, 19);
    const x = tensor(normals([2, 4, 8], 20), [2, 4, 8]);
    const gradientsOf = (recompute: boolean) => {
      model.recompute = recompute;
      const loss = () => mean(map('y * y', { y: model.forward(x, { causal: true }) }));
      return valueAndGrad(loss, model.parameters()).gradients;
    };
    const plain = gradientsOf(false);
    for (const [i, gradient] of gradientsOf(true).entries()) {
      await expectClose(gradient, Float32Array.from(await plain[i]!.data()), 1e-6);
    }
  });

  test('Dropout zeroes the given share, scales the rest, and passes gradients alike', async () => {
    const [rate, count] = [0.3, 20_000];
    const x = tensor(new Float32Array(count).fill(2));
    const random = new RandomStream(21);
    const dropout = new Dropout(rate);
    const { value, gradients } = valueAndGrad(() => {
      const y = dropout.forward(x, random);
      return { loss: sum(y), y };
    }, [x]);
    const kept = Array.from(await value.y.data()).map((y): number => (y === 0 ? 0 : 1));
    const share = kept.reduce((a, b) => a + b, 0) / count;
    expect(Math.abs(share - (1 - rate))).toBeLessThan(0.015);
    const scale = kept.map((keep) => keep / (1 - rate));
    await expectClose(value.y, Float32Array.from(scale.map((s) => 2 * s)), 1e-6);
    await expectClose(gradients[0]!, Float32Array.from(scale), 1e-6);
    const again = await dropout.forward(x, random).data();
    expect(Array.from(again).map((y) => (y === 0 ? 0 : 1))).not.toEqual(kept);
    expect(dropout.forward(x)).toBe(x);
    expect(new Dropout(0).forward(x, random)).toBe(x);
    expect(() => new Dropout(1)).toThrow('Dropout: rate 1 is not in [0, 1)');
  });

  test('heads must divide the width', () => {
    expect(() => new MultiHeadAttention(init, 10, 3)).toThrow(
      'MultiHeadAttention: width 10 is not a multiple of heads 3',
    );
  });
});
