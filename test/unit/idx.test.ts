import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IdxError, readIdx } from '../../packages/farmer/src/data/idx.ts';
import { idxFile } from './support/idx-file.ts';

describe('readIdx', () => {
  it('reads shape and values, at any offset of a larger buffer', () => {
    const file = idxFile([2, 1, 3], [1, 2, 3, 4, 5, 255]);
    const buffer = new Uint8Array(file.length + 3);
    buffer.set(file, 3);
    const { shape, data } = readIdx(buffer.subarray(3), 3, 'x');
    expect(shape).toEqual([2, 1, 3]);
    expect([...data]).toEqual([1, 2, 3, 4, 5, 255]);
  });

  const good = idxFile([2, 2], [1, 2, 3, 4]);
  const edited = (at: number, value: number) => good.map((byte, i) => (i === at ? value : byte));
  it.each<[string, Uint8Array, RegExp]>([
    ['an empty file', new Uint8Array(0), /0 bytes, too few/],
    ['a wrong magic', edited(0, 7), /not an IDX file/],
    ['a gzipped file', Uint8Array.of(0x1f, 0x8b, 8, 0), /gzipped, unpack it/],
    ['floats', edited(2, 0x0d), /type 0xd \(float\), expected 0x8/],
    ['an unknown type', edited(2, 0x42), /unknown/],
    ['another rank', edited(3, 3), /3 dimensions, expected 2/],
    ['a cut header', good.subarray(0, 9), /the header alone takes 12/],
    ['missing values', good.subarray(0, 15), /shape \[2, 2\] takes 4 bytes, but 3/],
    ['absurd dimensions', edited(4, 255), /truncated/],
    ['trailing bytes', new Uint8Array([...good, 0]), /1 bytes follow/],
  ])('refuses %s in one line that names the file', (_name, bytes, message) => {
    expect(() => readIdx(bytes, 2, 'a/file')).toThrow(IdxError);
    expect(() => readIdx(bytes, 2, 'a/file')).toThrow(message);
    expect(() => readIdx(bytes, 2, 'a/file')).toThrow(/^a\/file: [^\n]+$/);
  });

  it('throws nothing but IdxError on any bytes', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 24 }),
        fc.integer({ min: 1, max: 4 }),
        (tail, rank) => {
          const bytes = Uint8Array.of(0, 0, 8, rank, ...tail);
          try {
            const { shape, data } = readIdx(bytes, rank, 'x');
            expect(data.length).toBe(shape.reduce((a, b) => a * b, 1));
          } catch (error) {
            expect(error).toBeInstanceOf(IdxError);
          }
        },
      ),
    );
  });
});
