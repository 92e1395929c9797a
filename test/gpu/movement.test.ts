import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  concat,
  embedding,
  flip,
  gather,
  iota,
  oneHot,
  pad,
  permute,
  reshape,
  scatterAdd,
  slice,
  split,
  stack,
  takeAlongAxis,
  tensor,
  transpose,
  zeros,
  type Device,
  type Tensor,
} from '@farmer/tensor';
import { openTestDevice, testDevices } from '../support/devices.ts';

for (const name of testDevices) {
  describe(`ops that move elements on ${name}`, () => {
    let device: Device;
    beforeAll(async () => {
      device = await openTestDevice(name);
    });
    afterAll(() => device.destroy());

    const read = async (x: Tensor) => [x.shape, [...(await x.data())]];
    /** 0, 1, … in the given shape. */
    const counting = (...shape: number[]) => {
      const size = shape.reduce((a, b) => a * b, 1);
      return reshape(iota(size, 'f32'), shape);
    };

    test('transpose swaps the last two axes, permute takes negative axes', async () => {
      expect(await read(transpose(counting(2, 3)))).toEqual([
        [3, 2],
        [0, 3, 1, 4, 2, 5],
      ]);
      const [shape] = await read(permute(counting(2, 3, 5), [-1, 0, 1]));
      expect(shape).toEqual([5, 2, 3]);
    });

    test('slice and flip count positions from the back', async () => {
      const x = counting(2, 4);
      expect(await read(slice(x, { axis: -1, start: -3, end: -1 }))).toEqual([
        [2, 2],
        [1, 2, 5, 6],
      ]);
      expect(await read(slice(x, { axis: 0, start: 1 }))).toEqual([
        [1, 4],
        [4, 5, 6, 7],
      ]);
      expect((await read(flip(x, -1)))[1]).toEqual([3, 2, 1, 0, 7, 6, 5, 4]);
    });

    test('split undoes concat, stack makes an axis', async () => {
      const x = counting(2, 6);
      const thirds = split(x, 3, -1);
      expect(thirds.map(({ shape }) => shape)).toEqual([
        [2, 2],
        [2, 2],
        [2, 2],
      ]);
      expect(await read(concat(thirds, 1))).toEqual(await read(x));
      expect(await read(concat(split(x, [1, 0, 5], 1), 1))).toEqual(await read(x));
      expect(await read(stack([counting(2), counting(2)], -1))).toEqual([
        [2, 2],
        [0, 0, 1, 1],
      ]);
    });

    test('the same tensor may be joined with itself', async () => {
      const x = counting(3);
      expect((await read(concat([x, x], 0)))[1]).toEqual([0, 1, 2, 0, 1, 2]);
    });

    test('pad surrounds even an empty tensor', async () => {
      const around = [[1, 2]] as const;
      expect((await read(pad(counting(2), around, 7)))[1]).toEqual([7, 0, 1, 7, 7]);
      expect((await read(pad(zeros([0]), around, 7)))[1]).toEqual([7, 7, 7]);
    });

    test('bits pass unchanged: NaN payloads, -0, integers beyond 2^24', async () => {
      const words = Uint32Array.of(0x7fc12345, 0x80000000, 0xfffffffe, 16777217, 5);
      const x = tensor(words, [5], 'u32');
      const moved = await flip(flip(pad(x, [[0, 1]]), 0), 0).data();
      expect([...moved]).toEqual([...words, 0]);
    });

    test('indices outside of the axis read NaN, or 0 in integers, and are left out of sums', async () => {
      const indices = tensor([-1, 1, 2], [3], 'i32');
      expect((await read(gather(counting(2), indices, 0)))[1]).toEqual([NaN, 1, NaN]);
      expect((await read(gather(iota(2), indices, 0)))[1]).toEqual([0, 1, 0]);
      expect((await read(takeAlongAxis(counting(2), indices, 0)))[1]).toEqual([NaN, 1, NaN]);
      expect((await read(scatterAdd(counting(3), indices, 0, 2)))[1]).toEqual([0, 1]);
      expect((await read(oneHot(indices, 2)))[1]).toEqual([0, 0, 0, 1, 0, 0]);
    });

    test('gather puts the axes of the indices in place of the axis', async () => {
      const indices = tensor([2, 0, 1, 1], [2, 2], 'i32');
      expect(await read(gather(counting(2, 3), indices, 1))).toEqual([
        [2, 2, 2],
        [2, 0, 1, 1, 5, 3, 4, 4],
      ]);
      expect(await read(embedding(counting(3, 2), indices))).toEqual([
        [2, 2, 2],
        [4, 5, 0, 1, 2, 3, 2, 3],
      ]);
    });

    // Both ways of summing: each element searches the indices, or all share lists of positions.
    test.each([1, 8])(
      'scatterAdd of rows of %i gives the same bits on every run',
      async (width) => {
        const count = 2048;
        const wild = Float32Array.from(
          { length: count * width },
          (_, i) => Math.sin(i) * 10 ** (i % 7),
        );
        const values = tensor(wild, [count, width]);
        const indices = tensor(
          Int32Array.from({ length: count }, (_, i) => (i * 7919) % 5),
          [count],
          'i32',
        );
        const first = await scatterAdd(values, indices, 0, 5).data();
        const expected = new Float64Array(5 * width);
        wild.forEach((value, i) => {
          expected[((Math.floor(i / width) * 7919) % 5) * width + (i % width)]! += value;
        });
        expected.forEach((value, i) => expect(Math.abs(first[i]! - value)).toBeLessThan(100));
        for (let run = 0; run < 3; run++) {
          expect(await scatterAdd(values, indices, 0, 5).data()).toEqual(first);
        }
      },
    );

    test('shapes that do not fit are refused with the op and the shapes', () => {
      const x = counting(2, 6);
      expect(() => permute(x, [0, 0])).toThrow(/permute: axes \[0, 0\].*\[2, 6\]/);
      expect(() => reshape(x, [-1, -1])).toThrow(/reshape: \[-1, -1\] leaves more than one/);
      expect(() => reshape(x, [-1, 5])).toThrow(/reshape: .*\[-1, 5\].* 12 elements of \[2, 6\]/);
      expect(() => reshape(zeros([0, 3]), [0, -1])).toThrow(/reshape: .* 0 elements of \[0, 3\]/);
      expect(() => tensor([[1, 2]] as unknown as number[])).toThrow(/tensor: .*got a list/);
      expect(() => tensor([1], [1], 'f16' as 'f32')).toThrow(
        /unknown dtype "f16": there are f32, i32/,
      );
      expect(() => transpose(counting(3))).toThrow(/transpose: shape \[3\]/);
      expect(() => slice(x, { axis: 1, start: 4, end: 7 })).toThrow(/slice: .*\[2, 7\].*\[2, 6\]/);
      expect(() => split(x, 4, 1)).toThrow(/split: sizes/);
      expect(() => split(x, [1, 2], 1)).toThrow(/add up to the 6 of axis 1/);
      expect(() => concat([x, counting(3, 6)], 1)).toThrow(/concat: f32 \[2, 6\], f32 \[3, 6\]/);
      expect(() => concat([x, zeros([2, 1], 'i32')], 1)).toThrow(/i32 \[2, 1\]/);
      expect(() => concat([], 0)).toThrow(/concat: needs at least one/);
      expect(() => pad(x, [[1, 1]])).toThrow(/pad: padding \[\[1,1\]\].*\[2, 6\]/);
      expect(() => gather(x, x, 0)).toThrow(/gather: indices are f32; expected i32/);
      expect(() => takeAlongAxis(x, iota(2), 0)).toThrow(/takeAlongAxis: indices \[2\]/);
      expect(() => scatterAdd(x, iota(3), 0, 4)).toThrow(/scatterAdd: values \[2, 6\]/);
      expect(() => embedding(counting(3), iota(2))).toThrow(/embedding: table \[3\]/);
    });
  });
}
