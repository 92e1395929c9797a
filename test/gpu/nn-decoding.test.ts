import { beforeAll, expect, test } from 'vitest';
import { Init, Transformer } from '@farmer/nn';
import { concat, empty, persist, scope, slice, tensor, type Tensor } from '@farmer/tensor';
import { expectClose, normals } from '../support/arrays.ts';
import { describeOnDevices } from '../support/devices.ts';
import { randomise } from '../support/module.ts';

const [batch, tokens, width, heads, layers] = [3, 9, 16, 2, 2];
const oneByOne = Array.from({ length: tokens }, () => 1);

describeOnDevices('cached decoding', (device) => {
  let model: Transformer;
  let x: Float32Array;
  let full: Float32Array;

  const forward = async (values: Float32Array) => {
    const y = scope(() => model.forward(tensor(values, [batch, tokens, width]), { causal: true }));
    const data = Float32Array.from(await y.data());
    y.dispose();
    return data;
  };

  beforeAll(async () => {
    model = new Transformer(new Init(1), { layers, width, heads, finalNorm: true });
    randomise(model, 17);
    x = normals([batch, tokens, width], 18);
    full = await forward(x);
  });

  /** Decodes in chunks of the given lengths. */
  const decode = (values: Float32Array, rows: number, chunks: readonly number[]) =>
    scope(() => {
      const input = tensor(values, [rows, tokens, width]);
      const caches = model.createCaches(rows, tokens);
      let start = 0;
      const outputs = chunks.map((length) => {
        const chunk = slice(input, { axis: 1, start, end: start + length });
        const position = tensor([start], [1], 'u32');
        start += length;
        return model.step(chunk, caches, position);
      });
      return concat(outputs, 1);
    });

  test.each([[oneByOne], [[4, 1, 1, 3]], [[9]]])(
    'by chunks of %j equals the full causal forward',
    async (chunks) => {
      await expectClose(decode(x, batch, chunks), full);
    },
  );

  test('does not depend on the rest of the batch', async () => {
    const all = Float32Array.from(await decode(x, batch, oneByOne).data());
    const size = tokens * width;
    for (let b = 0; b < batch; b++) {
      const own = decode(x.slice(b * size, (b + 1) * size), 1, oneByOne);
      await expectClose(own, all.slice(b * size, (b + 1) * size), 1e-6);
    }
  });

  test('later tokens do not change earlier outputs, to the bit', async () => {
    const changed = x.slice();
    changed.fill(3, 5 * width, tokens * width);
    const other = await forward(changed);
    expect(other.slice(0, 5 * width)).toEqual(full.slice(0, 5 * width));
    expect(other.slice(5 * width, 6 * width)).not.toEqual(full.slice(5 * width, 6 * width));
  });

  test('one captured step decodes all tokens, with only token and position rewritten', async () => {
    const caches = persist(model.createCaches(batch, tokens));
    const token = persist(empty([batch, 1, width]));
    const position = persist(tensor([0], [1], 'u32'));
    let output!: Tensor;
    const graph = device().capture(() => {
      output = persist(scope(() => model.step(token, caches, position)));
    });
    for (let i = 0; i < tokens; i++) {
      const rowOf = (values: Float32Array) =>
        Float32Array.from({ length: batch * width }, (_, k) => {
          const b = Math.floor(k / width);
          return values[(b * tokens + i) * width + (k % width)]!;
        });
      token.write(rowOf(x));
      position.write([i]);
      graph.replay();
      await expectClose(output.alias(output.shape), rowOf(full));
    }
    graph.dispose();
  });

  test('needs one cache a block', () => {
    const position = tensor([0], [1], 'u32');
    const token = tensor(x.slice(0, width), [1, 1, width]);
    expect(() => model.step(token, model.createCaches(1, 1).slice(1), position)).toThrow(
      'Transformer.step: 1 caches given, one for each of 2 blocks expected',
    );
  });
});
