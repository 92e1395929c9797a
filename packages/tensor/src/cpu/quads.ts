import { foldLanes } from './lanes.ts';
import { storeLanes } from './pointwise/primitives.ts';
import { F32x4, I32, I32x4, type FunctionBuilder } from './wasm/index.ts';

/** Four neighbouring elements of a run, fewer at its end. */
export interface Quad {
  /** In bytes, from the run's start. */
  readonly offset: I32;
  load(start: I32): F32x4;
  /** Writes the lanes inside the run. */
  store(start: I32, value: F32x4): void;
  /** The value with `otherwise` in the lanes beyond the run's end. */
  keep(value: F32x4, otherwise: number): F32x4;
}

/** Runs `visit` over a run of floats; it is written twice, for whole quads and for what is left. */
export function eachQuad(f: FunctionBuilder, bytes: I32, visit: (quad: Quad) => void): void {
  const offset = f.let(I32.of(0));
  const load = (start: I32): F32x4 => f.let(f.f32x4(start.add(offset)));
  f.while(offset.add(16).le(bytes), () => {
    const store = (start: I32, value: F32x4): void => f.store(start.add(offset), value);
    visit({ offset, load, store, keep: (value) => value });
    f.set(offset, offset.add(16));
  });
  f.if(offset.lt(bytes), () => {
    const left = f.let(bytes.sub(offset));
    const inside = f.let(I32x4.lanes([0, 4, 8, 12]).lt(left.splat()));
    visit({
      offset,
      load,
      store: (start, value) => storeLanes(f, f.let(start.add(offset)), left, f.let(value)),
      keep: (value, otherwise) => inside.select(value, otherwise),
    });
  });
}

const folds = {
  sum: { identity: 0, combine: (a, b) => a.add(b) },
  max: { identity: -Infinity, combine: (a, b) => a.max(b) },
  // One instruction, where `max` with its rules for NaN takes eight: `b > a ? b : a`.
  maxNumber: { identity: -Infinity, combine: (a, b) => a.pmax(b) },
} as const satisfies Record<string, { identity: number; combine: (a: F32x4, b: F32x4) => F32x4 }>;

/** The sum or maximum of `value` over a run of floats, in all lanes; `maxNumber` passes over NaN. */
export function foldQuads(
  f: FunctionBuilder,
  kind: keyof typeof folds,
  bytes: I32,
  value: (quad: Quad) => F32x4,
): F32x4 {
  const { identity, combine } = folds[kind];
  const total = f.let(F32x4.of(identity));
  eachQuad(f, bytes, (quad) => f.set(total, combine(total, quad.keep(value(quad), identity))));
  return foldLanes(f, total, combine);
}
