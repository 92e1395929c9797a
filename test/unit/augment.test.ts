import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { augment } from '../../packages/farmer/src/augment.ts';

const size = { height: 5, width: 4, channels: 2 };
const values = 40;
const draw = { seed: 3, step: 7, call: 0 };
const image = Uint8Array.from({ length: values }, (_, i) => i + 1);

/** The image moved by (down, right), mirrored first; zeros beyond the border. */
function moved(down: number, right: number, mirror: boolean): string {
  const pixel = (y: number, x: number, c: number) => {
    const column = mirror ? size.width - 1 - x : x;
    const inside = y >= 0 && y < size.height && x >= 0 && x < size.width;
    return inside ? image[(y * size.width + column) * size.channels + c]! : 0;
  };
  const result: number[] = [];
  for (let y = 0; y < size.height; y++)
    for (let x = 0; x < size.width; x++)
      for (let c = 0; c < size.channels; c++) result.push(pixel(y - down, x - right, c));
  return result.join();
}

const copies = (count: number) =>
  Uint8Array.from({ length: count * values }, (_, i) => image[i % values]!);
const rows = (images: Uint8Array) =>
  Array.from({ length: images.length / values }, (_, i) =>
    images.subarray(i * values, (i + 1) * values).join(),
  );

describe('augment', () => {
  it('changes nothing without shift and mirror', () => {
    const result = augment(copies(3), size, { shift: 0, mirror: false }, draw);
    expect(result).toEqual(copies(3));
  });

  it('makes every shift, mirrored or not, and nothing else', () => {
    const shifts = [-1, 0, 1].flatMap((down) => [-1, 0, 1].map((right) => [down, right] as const));
    const possible = shifts.flatMap(([down, right]) => [
      moved(down, right, false),
      moved(down, right, true),
    ]);
    const found = new Set(rows(augment(copies(400), size, { shift: 1, mirror: true }, draw)));
    expect([...found].sort()).toEqual([...new Set(possible)].sort());
    const unmirrored = rows(augment(copies(400), size, { shift: 1, mirror: false }, draw));
    expect(new Set(unmirrored).size).toBe(9);
  });

  it('depends on seed and step alone', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (seed, step) => {
        const run = (at: number) =>
          augment(copies(8), size, { shift: 2, mirror: true }, { seed, step: at, call: 0 });
        expect(run(step)).toEqual(run(step));
      }),
    );
    const other = augment(copies(8), size, { shift: 2, mirror: true }, { ...draw, step: 8 });
    expect(other).not.toEqual(augment(copies(8), size, { shift: 2, mirror: true }, draw));
  });
});
