import { F32, F32x4, I32, type FunctionBuilder, type ModuleBuilder } from '../wasm/index.ts';

/** Packs `width` ≤ 8 sequences of `depth` floats into a panel: 8 floats for each k, zero beyond `width`. */
export type PackPanel = (
  f: FunctionBuilder,
  panel: I32,
  source: I32,
  /** Bytes between two rows of the source matrix. */
  step: I32,
  depth: I32,
  width: I32,
) => void;

/** The eight values of each k lie side by side: rows of the source are copied. */
export function packColumns(module: ModuleBuilder): PackPanel {
  const call = module.procedure(
    [I32, I32, I32, I32, I32],
    (f, panel, source, step, depth, width) => {
      const end = f.let(panel.add(depth.shl(5)));
      const row = f.let(source);
      const eachRow = (body: () => void): void =>
        f.while(panel.lt(end), () => {
          body();
          f.set(row, row.add(step));
          f.set(panel, panel.add(32));
        });
      f.if(
        width.eq(8),
        () =>
          eachRow(() => {
            f.store(panel, f.f32x4(row));
            f.store(panel, f.f32x4(row, 16), 16);
          }),
        () =>
          eachRow(() => {
            f.store(panel, F32x4.of(0));
            f.store(panel, F32x4.of(0), 16);
            f.loop(0, width.shl(2), 4, (j) => f.store(panel.add(j), f.f32(row.add(j))));
          }),
      );
    },
  );
  return (f, ...parameters) => f.run(call(...parameters));
}

/** The values of one sequence lie side by side: the source's rows are transposed, 4 × 4 at a time. */
export function packRows(module: ModuleBuilder): PackPanel {
  const call = module.procedure(
    [I32, I32, I32, I32, I32],
    (f, panel, source, step, depth, width) => {
      const full = (): void => {
        const rows = Array.from({ length: 8 }, (_, r) => f.let(source.add(step.mul(r))));
        const k = f.loop(0, depth, 4, (i) => {
          const column = f.let(i.shl(2));
          const target = f.let(panel.add(i.shl(5)));
          for (const half of [0, 4]) {
            const [a, b, c, d] = rows
              .slice(half, half + 4)
              .map((row) => f.let(f.f32x4(row.add(column))));
            transpose(f, [a!, b!, c!, d!]).forEach((v, i) => f.store(target, v, 32 * i + 4 * half));
          }
        });
        f.resume(k, depth, 1, (i) => {
          const target = f.let(panel.add(i.shl(5)));
          rows.forEach((row, r) => f.store(target, f.f32(row.add(i.shl(2))), 4 * r));
        });
      };
      const partial = (): void => {
        f.loop(0, I32.of(8), 1, (r) => {
          const row = f.let(source.add(step.mul(r)));
          const target = f.let(panel.add(r.shl(2)));
          f.loop(0, depth, 1, (k) => {
            const isInside = r.lt(width);
            f.if(
              isInside,
              () => f.store(target.add(k.shl(5)), f.f32(row.add(k.shl(2)))),
              () => f.store(target.add(k.shl(5)), F32.of(0)),
            );
          });
        });
      };
      f.if(width.eq(8), full, partial);
    },
  );
  return (f, ...parameters) => f.run(call(...parameters));
}

/** The 4 × 4 transpose of four vectors. */
export function transpose(
  f: FunctionBuilder,
  [a, b, c, d]: readonly [F32x4, F32x4, F32x4, F32x4],
): [F32x4, F32x4, F32x4, F32x4] {
  const ab = f.let(a.shuffle(b, [0, 4, 1, 5]));
  const AB = f.let(a.shuffle(b, [2, 6, 3, 7]));
  const cd = f.let(c.shuffle(d, [0, 4, 1, 5]));
  const CD = f.let(c.shuffle(d, [2, 6, 3, 7]));
  return [
    ab.shuffle(cd, [0, 1, 4, 5]),
    ab.shuffle(cd, [2, 3, 6, 7]),
    AB.shuffle(CD, [0, 1, 4, 5]),
    AB.shuffle(CD, [2, 3, 6, 7]),
  ];
}
