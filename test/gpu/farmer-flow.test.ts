import { expect, test } from 'vitest';
import { Init, type Module } from '@farmer/nn';
import { tensor, type Tensor } from '@farmer/tensor';
import { dimensions, Farmer, Flow, FlowBlock, JetBlock, type InvertibleMap } from 'farmer';
import { mismatch } from '@farmer/tensor/conformance';
import { describeOnDevices } from '../support/devices.ts';
import { normals, randomizeParameters, read, tinyConfig } from '../support/farmer.ts';
import { logAbsDeterminant, numericJacobian } from '../support/linear-algebra.ts';

const { tokens, channels } = dimensions(tinyConfig);
const block = (direction: 'forward' | 'backward') => () =>
  new FlowBlock(new Init(1), { tokens, channels, layers: 1, width: 8, heads: 2, direction });

const jetBlock = (index: number, d = channels) =>
  new JetBlock(new Init(1), { tokens, channels: d, layers: 1, width: 8, heads: 2, index });
const jetConfig = { ...tinyConfig, flow: { ...tinyConfig.flow, kind: 'jet' as const } };

/** The model's whole path from pixels' values to latents. */
class WholeModel implements InvertibleMap {
  readonly model = new Farmer(tinyConfig, 3);
  readonly #shape = [-1, 4, 6, 1];
  forward(x: Tensor) {
    return this.model.flow.forward(
      this.model.tokens(x.shape.length === 4 ? x : reshapeTo(x, this.#shape)),
    );
  }
  inverse(z: Tensor): Tensor {
    return reshapeTo(this.model.images(this.model.flow.inverse(z)), [-1, tokens, channels]);
  }
}

const blocks: Record<string, () => FlowBlock | JetBlock> = {
  'a block in raster order': block('forward'),
  'a reversed block': block('backward'),
  'an even Jet block': () => jetBlock(0),
  'an odd Jet block': () => jetBlock(1),
};

const maps: Record<string, () => { map: InvertibleMap; module: Module }> = {
  ...Object.fromEntries(Object.entries(blocks).map(([name, make]) => [name, () => same(make())])),
  'a flow of three blocks': () => same(new Flow(new Init(2), tinyConfig)),
  'a Jet flow of three blocks': () => same(new Flow(new Init(2), jetConfig)),
  'pixels to latents': () => {
    const map = new WholeModel();
    return { map, module: map.model };
  },
};

function same<T extends Module & InvertibleMap>(module: T) {
  return { map: module, module };
}

/** ∂z/∂x of one image. */
function jacobianOf(map: InvertibleMap, x: Float32Array): Promise<Float64Array> {
  return numericJacobian(
    (points, count) => read(() => map.forward(tensor(points, [count, tokens, channels])).z),
    x,
  );
}

function reshapeTo(x: Tensor, shape: readonly number[]): Tensor {
  return x.alias(
    shape.map((length) =>
      length === -1 ? x.size / shape.reduce((a, b) => (b === -1 ? a : a * b), 1) : length,
    ),
  );
}

describeOnDevices('invertible maps', () => {
  for (const [name, make] of Object.entries(maps)) {
    const n = tokens * channels;
    const prepare = (scale = 0.3) => {
      const { map, module } = make();
      randomizeParameters(module, 7, scale);
      return map;
    };

    test(`${name}: inverse(forward(x)) = x`, async () => {
      const map = prepare();
      // Ordinary values, and outliers.
      for (const spread of [1, 20]) {
        const x = normals(5, 3 * n).map((value) => spread * value);
        const back = await read(() => map.inverse(map.forward(tensor(x, [3, tokens, channels])).z));
        const error = Math.max(...back.map((value, i) => Math.abs(value - x[i]!)));
        expect(error).toBeLessThan(2e-4 * spread);
      }
    });

    test(`${name}: log-det = log|det| of the brute-force Jacobian`, async () => {
      const map = prepare();
      const x = normals(6, n);
      const jacobian = await jacobianOf(map, x);
      const [logDet] = await read(() => map.forward(tensor(x, [1, tokens, channels])).logDet);
      expect(Math.abs(logDet!)).toBeGreaterThan(0.1);
      expect(Math.abs(logDet! - logAbsDeterminant(jacobian, n))).toBeLessThan(0.01);
    });
  }

  test.each(Object.entries(blocks))(
    "%s: a token's log-det is that of its own block of the Jacobian",
    async (_, make) => {
      const map = make();
      randomizeParameters(map, 7);
      const [x, d] = [normals(6, tokens * channels), channels];
      const jacobian = await jacobianOf(map, x);
      const found = await read(() => map.forwardTokens(tensor(x, [1, tokens, d])).logDet);
      const expected = Array.from({ length: tokens }, (_, token) => {
        const rows = Array.from({ length: d }, (_, row) => {
          const start = (token * d + row) * tokens * d + token * d;
          return [...jacobian.subarray(start, start + d)];
        });
        return logAbsDeterminant(Float64Array.from(rows.flat()), d);
      });
      expect(mismatch(found, expected, { absolute: 5e-3 })).toBeUndefined();
      // Tokens differ enough for their order to show.
      expect(Math.max(...expected) - Math.min(...expected)).toBeGreaterThan(0.1);
      expect(mismatch(found, expected.toReversed(), { absolute: 5e-2 })).toBeDefined();
    },
  );

  for (const direction of ['forward', 'backward'] as const) {
    test(`a ${direction} block is exactly causal`, async () => {
      const map = block(direction)();
      randomizeParameters(map, 8);
      const x = normals(9, tokens * channels);
      const forward = (input: Float32Array) =>
        read(() => map.forward(tensor(input, [1, tokens, channels])).z);
      const before = await forward(x);
      for (let j = 0; j < tokens; j++) {
        const moved = x.slice();
        moved[j * channels]! += 1;
        const after = await forward(moved);
        for (let i = 0; i < tokens; i++) {
          const changed = after
            .subarray(i * channels, (i + 1) * channels)
            .some((v, c) => v !== before[i * channels + c]);
          const mayChange = direction === 'forward' ? i >= j : i <= j;
          // To the bit before j; and every later token does read token j.
          expect(changed, `token ${i} after a change of token ${j}`).toBe(mayChange);
        }
      }
    });
  }

  for (const direction of ['forward', 'backward'] as const) {
    test(`places belong to the image's tokens: a ${direction} block never uses that of the last it reads`, async () => {
      const map = block(direction)();
      randomizeParameters(map, 8);
      const x = tensor(normals(9, tokens * channels), [1, tokens, channels]);
      const forward = () => read(() => map.forward(x).z);
      const [before, places] = [await forward(), Float32Array.from(await map.position.data())];
      const width = places.length / tokens;
      for (let token = 0; token < tokens; token++) {
        map.position.write(places.map((v, i) => (Math.floor(i / width) === token ? v + i : v)));
        const isLast = token === (direction === 'forward' ? tokens - 1 : 0);
        expect(String(await forward()) === String(before), `token ${token}`).toBe(isLast);
      }
    });
  }

  for (const d of [4, 5]) {
    test(`two Jet blocks move all ${d} channels, and each reads all tokens`, async () => {
      const x = normals(13, tokens * d);
      /** Which channels of which token change when one value of token 2 does. */
      const changes = async (map: InvertibleMap, channel: number) => {
        const forward = (input: Float32Array) =>
          read(() => map.forward(tensor(input, [1, tokens, d])).z);
        const moved = x.slice();
        moved[2 * d + channel]! += 1;
        const [before, after] = [await forward(x), await forward(moved)];
        return Array.from({ length: tokens }, (_, i) =>
          Array.from({ length: d }, (_, c) => after[i * d + c] !== before[i * d + c]),
        );
      };
      const movedBy = [];
      for (const index of [0, 1]) {
        const block = jetBlock(index, d);
        randomizeParameters(block, 14);
        const reached = new Set<number>();
        for (let channel = 0; channel < d; channel++) {
          const changed = await changes(block, channel);
          const elsewhere = changed
            .filter((_, i) => i !== 2)
            .map((row) => row.flatMap((c, j) => (c ? [j] : [])));
          // A conditioning channel moves the other half of every token; a moved one, itself alone.
          expect(new Set(elsewhere.map(String)).size).toBe(1);
          elsewhere[0]!.forEach((c) => reached.add(c));
          expect(reached.has(channel) && elsewhere[0]!.length > 0).toBe(false);
        }
        movedBy.push(reached);
      }
      expect([...movedBy[0]!, ...movedBy[1]!].sort()).toEqual(
        Array.from({ length: d }, (_, c) => c),
      );
    });
  }

  for (const [kind, config] of Object.entries({ FARMER: tinyConfig, Jet: jetConfig })) {
    test(`the ${kind} flow starts as the identity with log-det 0`, async () => {
      const flow = new Flow(new Init(4), config);
      const x = normals(10, tokens * channels);
      expect(await read(() => flow.forward(tensor(x, [1, tokens, channels])).z)).toEqual(x);
      expect(await read(() => flow.forward(tensor(x, [1, tokens, channels])).logDet)).toEqual(
        new Float32Array(1),
      );
    });
  }
});
