import type { DType } from '../../dtype.ts';
import { undefinedFunction, type Primitive } from '../../expression/primitives.ts';
import * as math from '../math.ts';
import { F32x4, I32x4, type I32, type FunctionBuilder } from '../wasm/index.ts';

/** Four lanes of a dtype. */
export type Lanes4 = F32x4 | I32x4;

/** A primitive on four lanes; arguments are locals, so using one twice costs nothing. */
type Builder<V> = (f: FunctionBuilder, x: V, y: V, z: V) => V;

const bitsOfOne = 0x3f800000;
/** A mask as 1 or 0. */
const truth = (mask: I32x4): F32x4 => mask.and(bitsOfOne).asF32x4();

/** Every primitive on float32 lanes. */
const floats: Record<Primitive, Builder<F32x4>> = {
  add: (_, x, y) => x.add(y),
  subtract: (_, x, y) => x.sub(y),
  multiply: (_, x, y) => x.mul(y),
  divide: (_, x, y) => x.div(y),
  negate: (_, x) => x.neg(),
  abs: (_, x) => x.abs(),
  // 0 and NaN stay what they are
  sign: (_, x) => x.gt(0).select(1, x.lt(0).select(-1, x)),
  exp: math.exp,
  expm1: math.expm1,
  log: math.log,
  log1p: math.log1p,
  sqrt: math.sqrt,
  tanh: math.tanh,
  erf: math.erf,
  sigmoid: math.sigmoid,
  softplus: math.softplus,
  sin: math.sin,
  cos: math.cos,
  floor: (_, x) => x.floor(),
  round: (_, x) => x.nearest(),
  min: (_, x, y) => x.min(y),
  max: (_, x, y) => x.max(y),
  pow: math.pow,
  less: (_, x, y) => truth(x.lt(y)),
  lessEqual: (_, x, y) => truth(x.le(y)),
  equal: (_, x, y) => truth(x.eq(y)),
  where: (_, x, y, z) => x.ne(0).select(y, z),
};

/** The primitives that make sense on integer lanes. */
function integers(signed: boolean): Partial<Record<Primitive, Builder<I32x4>>> {
  const less = (x: I32x4, y: I32x4): I32x4 => (signed ? x.ltSigned(y) : x.lt(y));
  // The instruction traps on x / 0 and on -2^31 / -1, also in lanes beyond a row's end; both give x, as in WGSL.
  const divide: Builder<I32x4> = (f, x, y) => {
    const quotient = f.let(signed ? y.eq(-1).selectI32x4(I32x4.of(0).sub(x), x) : x);
    for (const lane of [0, 1, 2, 3]) {
      const [a, b] = [x.lane(lane), f.let(y.lane(lane))];
      const isSafe = signed ? b.add(1).gt(1) : b.ne(0);
      f.if(isSafe, () =>
        f.set(quotient, quotient.withLane(lane, signed ? a.divSigned(b) : a.div(b))),
      );
    }
    return quotient;
  };
  return {
    add: (_, x, y) => x.add(y),
    subtract: (_, x, y) => x.sub(y),
    multiply: (_, x, y) => x.mul(y),
    divide,
    negate: (_, x) => I32x4.of(0).sub(x),
    abs: (_, x) => (signed ? x.ltSigned(0).selectI32x4(I32x4.of(0).sub(x), x) : x),
    sign: (_, x) =>
      signed ? x.shrSigned(31).or(I32x4.of(0).ltSigned(x).and(1)) : x.eq(0).not().and(1),
    floor: (_, x) => x,
    round: (_, x) => x,
    min: (_, x, y) => less(x, y).selectI32x4(x, y),
    max: (_, x, y) => less(x, y).selectI32x4(y, x),
    less: (_, x, y) => less(x, y).and(1),
    lessEqual: (_, x, y) => less(y, x).not().and(1),
    equal: (_, x, y) => x.eq(y).and(1),
    where: (_, x, y, z) => x.eq(0).selectI32x4(z, y),
  };
}

const tables = { f32: floats, i32: integers(true), u32: integers(false) } as const;

/** Emits one primitive in the arithmetic of `dtype`. @throws for a function that integers lack */
export function emitPrimitive(
  f: FunctionBuilder,
  dtype: DType,
  fn: Primitive,
  args: readonly Lanes4[],
): Lanes4 {
  const build = tables[dtype][fn] as Builder<Lanes4> | undefined;
  if (!build) throw undefinedFunction(fn, dtype);
  const [x, y, z] = args;
  return f.let(build(f, x!, y!, z!));
}

/** A constant in the arithmetic of `dtype`. */
export const constantLanes = (dtype: DType, value: number): Lanes4 =>
  dtype === 'f32' ? F32x4.of(value) : I32x4.of(value);

/** Four lanes as another dtype; floats truncate towards zero. */
export function castLanes(x: Lanes4, from: DType, to: DType): Lanes4 {
  if (from === to) return x;
  if (from === 'f32') {
    return to === 'i32' ? (x as F32x4).toI32x4() : (x as F32x4).toUnsignedI32x4();
  }
  if (to !== 'f32') return x;
  return from === 'i32' ? (x as I32x4).toF32x4() : (x as I32x4).unsignedToF32x4();
}

/** Stores four lanes, or as many as `bytes` bytes hold if that is fewer. */
export function storeLanes(f: FunctionBuilder, target: I32, bytes: I32, value: Lanes4): void {
  const bits = value instanceof F32x4 ? value.asI32x4() : value;
  f.if(
    bytes.ge(16),
    () => f.store(target, bits),
    () => {
      for (const lane of [0, 1, 2]) {
        f.if(bytes.gt(4 * lane), () => f.store(target, bits.lane(lane), 4 * lane));
      }
    },
  );
}
