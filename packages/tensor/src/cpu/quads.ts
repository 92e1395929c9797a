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

/** The sum or maximum of `value` over a run of floats, in all lanes. */
export function foldQuads(
  f: FunctionBuilder,
  kind: 'sum' | 'max',
  bytes: I32,
  value: (quad: Quad) => F32x4,
): F32x4 {
  const identity = kind === 'sum' ? 0 : -Infinity;
  const combine = kind === 'sum' ? add : max;
  const total = f.let(F32x4.of(identity));
  eachQuad(f, bytes, (quad) => f.set(total, combine(total, quad.keep(value(quad), identity))));
  return acrossLanes(f, total, combine);
}

/** The sum of the four lanes, in all lanes. */
export const sumOfLanes = (f: FunctionBuilder, x: F32x4): F32x4 => acrossLanes(f, x, add);

const add = (a: F32x4, b: F32x4): F32x4 => a.add(b);
const max = (a: F32x4, b: F32x4): F32x4 => a.max(b);

function acrossLanes(f: FunctionBuilder, x: F32x4, combine: (a: F32x4, b: F32x4) => F32x4): F32x4 {
  const lanes = f.let(x);
  const pairs = f.let(combine(lanes, lanes.shuffle(lanes, [2, 3, 0, 1])));
  return f.let(combine(pairs, pairs.shuffle(pairs, [1, 0, 3, 2])));
}
