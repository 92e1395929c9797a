import { float32, int32, signed, unsigned, type Code } from './encoding.ts';

/**
 * A typed WebAssembly expression: the code that leaves one value on the stack.
 *
 * Using a value twice emits (and computes) it twice; `FunctionBuilder.let` names it instead.
 */
export abstract class Value {
  readonly code: Code;
  /** The index of the local that this value reads, or -1 if it is a computed expression. */
  readonly local: number;
  constructor(code: Code, local = -1) {
    this.code = code;
    this.local = local;
  }
}

/** The class of a value type: constructs values from code, and knows the type's encoding. */
export interface Kind<V extends Value> {
  new (code: Code, local?: number): V;
  readonly type: number;
}

const simd = (opcode: number): Code => [0xfd, unsigned(opcode)];

/** A 32-bit integer: a pointer, a count or a truth value. Comparisons are unsigned unless named. */
export class I32 extends Value {
  static readonly type = 0x7f;
  static of(value: I32 | number): I32 {
    return typeof value === 'number' ? new I32([0x41, signed(value)]) : value;
  }
  #op(opcode: number, other: I32 | number): I32 {
    return new I32([this.code, I32.of(other).code, opcode]);
  }
  add = (o: I32 | number): I32 => (o === 0 ? this : this.#op(0x6a, o));
  sub = (o: I32 | number): I32 => this.#op(0x6b, o);
  mul = (o: I32 | number): I32 => (o === 1 ? this : this.#op(0x6c, o));
  div = (o: I32 | number): I32 => this.#op(0x6e, o);
  rem = (o: I32 | number): I32 => this.#op(0x70, o);
  divSigned = (o: I32 | number): I32 => this.#op(0x6d, o);
  and = (o: I32 | number): I32 => this.#op(0x71, o);
  or = (o: I32 | number): I32 => this.#op(0x72, o);
  xor = (o: I32 | number): I32 => this.#op(0x73, o);
  shl = (o: I32 | number): I32 => this.#op(0x74, o);
  shr = (o: I32 | number): I32 => this.#op(0x76, o);
  eq = (o: I32 | number): I32 => this.#op(0x46, o);
  ne = (o: I32 | number): I32 => this.#op(0x47, o);
  lt = (o: I32 | number): I32 => this.#op(0x49, o);
  gt = (o: I32 | number): I32 => this.#op(0x4b, o);
  le = (o: I32 | number): I32 => this.#op(0x4d, o);
  ge = (o: I32 | number): I32 => this.#op(0x4f, o);
  ltSigned = (o: I32 | number): I32 => this.#op(0x48, o);
  not = (): I32 => new I32([this.code, 0x45]);
  /** `this ? a : b`; both are evaluated. */
  select<V extends Value>(kind: Kind<V>, a: V, b: V): V {
    return new kind([a.code, b.code, this.code, 0x1c, 1, kind.type]);
  }
  min = (o: I32): I32 => this.lt(o).select(I32, this, o);
  splat = (): I32x4 => new I32x4([this.code, simd(0x11)]);
}

/** A scalar float32. */
export class F32 extends Value {
  static readonly type = 0x7d;
  static of(value: F32 | number): F32 {
    return typeof value === 'number' ? new F32([0x43, float32(value)]) : value;
  }
  #op(opcode: number, other: F32 | number): F32 {
    return new F32([this.code, F32.of(other).code, opcode]);
  }
  add = (o: F32 | number): F32 => this.#op(0x92, o);
  sub = (o: F32 | number): F32 => this.#op(0x93, o);
  mul = (o: F32 | number): F32 => this.#op(0x94, o);
  div = (o: F32 | number): F32 => this.#op(0x95, o);
  ne = (o: F32 | number): I32 => new I32([this.code, F32.of(o).code, 0x5c]);
  gt = (o: F32 | number): I32 => new I32([this.code, F32.of(o).code, 0x5e]);
  le = (o: F32 | number): I32 => new I32([this.code, F32.of(o).code, 0x5f]);
  sqrt = (): F32 => new F32([this.code, 0x91]);
}

/** Four 32-bit integers; also the mask (all ones or all zeros a lane) that comparisons give. */
export class I32x4 extends Value {
  static readonly type = 0x7b;
  static of(value: I32x4 | number): I32x4 {
    if (typeof value !== 'number') return value;
    return new I32x4([simd(12), int32(value), int32(value), int32(value), int32(value)]);
  }
  static lanes = (values: readonly number[]): I32x4 => new I32x4([simd(12), values.map(int32)]);
  #op(opcode: number, other: I32x4 | number): I32x4 {
    return new I32x4([this.code, I32x4.of(other).code, simd(opcode)]);
  }
  #shift(opcode: number, count: I32 | number): I32x4 {
    return new I32x4([this.code, I32.of(count).code, simd(opcode)]);
  }
  add = (o: I32x4 | number): I32x4 => this.#op(0xae, o);
  sub = (o: I32x4 | number): I32x4 => this.#op(0xb1, o);
  mul = (o: I32x4 | number): I32x4 => this.#op(0xb5, o);
  and = (o: I32x4 | number): I32x4 => this.#op(0x4e, o);
  or = (o: I32x4 | number): I32x4 => this.#op(0x50, o);
  xor = (o: I32x4 | number): I32x4 => this.#op(0x51, o);
  shl = (count: I32 | number): I32x4 => this.#shift(0xab, count);
  shr = (count: I32 | number): I32x4 => this.#shift(0xad, count);
  shrSigned = (count: I32 | number): I32x4 => this.#shift(0xac, count);
  eq = (o: I32x4 | number): I32x4 => this.#op(0x37, o);
  lt = (o: I32x4 | number): I32x4 => this.#op(0x3a, o);
  ltSigned = (o: I32x4 | number): I32x4 => this.#op(0x39, o);
  not = (): I32x4 => new I32x4([this.code, simd(0x4d)]);
  /** The unsigned 64-bit products of lanes 0 and 1 (or 2 and 3), as pairs of low and high words. */
  wideMul = (o: I32x4, half: 'low' | 'high'): I32x4 => this.#op(half === 'low' ? 0xde : 0xdf, o);
  /** Lanes 0-3 are this vector's, 4-7 the other's. */
  shuffle = (o: I32x4, lanes: Lanes): I32x4 =>
    new I32x4([this.code, o.code, simd(13), shuffleBytes(lanes)]);
  lane = (i: number): I32 => new I32([this.code, simd(0x1b), i]);
  withLane = (i: number, lane: I32): I32x4 => new I32x4([this.code, lane.code, simd(0x1c), i]);
  /** Lane by lane, `this ? a : b`; `this` must be a mask. */
  selectI32x4 = (a: I32x4, b: I32x4): I32x4 => this.select(a.asF32x4(), b.asF32x4()).asI32x4();
  /** Lane by lane, `this ? a : b`; `this` must be a mask. */
  select = (a: F32x4 | number, b: F32x4 | number): F32x4 =>
    new F32x4([F32x4.of(a).code, F32x4.of(b).code, this.code, simd(0x52)]);
  toF32x4 = (): F32x4 => new F32x4([this.code, simd(0xfa)]);
  unsignedToF32x4 = (): F32x4 => new F32x4([this.code, simd(0xfb)]);
  asF32x4 = (): F32x4 => new F32x4(this.code, this.local);
}

/** Four lane numbers, 0-3 of the first vector and 4-7 of the second. */
export type Lanes = readonly [number, number, number, number];
const shuffleBytes = (lanes: Lanes): Code =>
  lanes.map((l) => [4 * l, 4 * l + 1, 4 * l + 2, 4 * l + 3]);

/** Four float32 lanes. */
export class F32x4 extends Value {
  static readonly type = 0x7b;
  static of(value: F32x4 | number): F32x4 {
    if (typeof value !== 'number') return value;
    const lane = float32(value);
    return new F32x4([simd(12), lane, lane, lane, lane]);
  }
  #op(opcode: number, other: F32x4 | number): F32x4 {
    return new F32x4([this.code, F32x4.of(other).code, simd(opcode)]);
  }
  #compare(opcode: number, other: F32x4 | number): I32x4 {
    return new I32x4([this.code, F32x4.of(other).code, simd(opcode)]);
  }
  #unary(opcode: number): F32x4 {
    return new F32x4([this.code, simd(opcode)]);
  }
  add = (o: F32x4 | number): F32x4 => this.#op(0xe4, o);
  sub = (o: F32x4 | number): F32x4 => this.#op(0xe5, o);
  mul = (o: F32x4 | number): F32x4 => this.#op(0xe6, o);
  div = (o: F32x4 | number): F32x4 => this.#op(0xe7, o);
  /** `this * b + c`, fused where the engine offers it. */
  madd = (b: F32x4 | number, c: F32x4 | number): F32x4 =>
    hasRelaxedMadd()
      ? new F32x4([this.code, F32x4.of(b).code, F32x4.of(c).code, simd(0x105)])
      : this.mul(b).add(c);
  /** NaN if either is NaN; several instructions on x86. */
  min = (o: F32x4 | number): F32x4 => this.#op(0xe8, o);
  max = (o: F32x4 | number): F32x4 => this.#op(0xe9, o);
  /** `o < this ? o : this`: one instruction on x86, and keeps a NaN in `this`. */
  pmin = (o: F32x4 | number): F32x4 => this.#op(0xea, o);
  pmax = (o: F32x4 | number): F32x4 => this.#op(0xeb, o);
  eq = (o: F32x4 | number): I32x4 => this.#compare(0x41, o);
  ne = (o: F32x4 | number): I32x4 => this.#compare(0x42, o);
  lt = (o: F32x4 | number): I32x4 => this.#compare(0x43, o);
  gt = (o: F32x4 | number): I32x4 => this.#compare(0x44, o);
  le = (o: F32x4 | number): I32x4 => this.#compare(0x45, o);
  abs = (): F32x4 => this.#unary(0xe0);
  neg = (): F32x4 => this.#unary(0xe1);
  sqrt = (): F32x4 => this.#unary(0xe3);
  floor = (): F32x4 => this.#unary(0x68);
  /** To the nearest integer, halves to even. */
  nearest = (): F32x4 => this.#unary(0x6a);
  /** Truncation to signed integers, saturating; NaN gives 0. */
  toI32x4 = (): I32x4 => new I32x4([this.code, simd(0xf8)]);
  toUnsignedI32x4 = (): I32x4 => new I32x4([this.code, simd(0xf9)]);
  /** The lanes' bits. */
  asI32x4 = (): I32x4 => new I32x4(this.code, this.local);
  shuffle = (o: F32x4, lanes: Lanes): F32x4 =>
    new F32x4([this.code, o.code, simd(13), shuffleBytes(lanes)]);
  lane = (i: number): F32 => new F32([this.code, simd(0x1f), i]);
}

let relaxedMadd: boolean | undefined;

/**
 * Whether the engine has relaxed SIMD's fused multiply-add: asked once, with a module of one
 * function, when the first kernel is built (Node 20 needs a V8 flag, which may be set until then).
 */
export function hasRelaxedMadd(): boolean {
  relaxedMadd ??= WebAssembly.validate(
    // prettier-ignore
    new Uint8Array([
      0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 8, 1, 0x60, 3, 0x7b, 0x7b, 0x7b, 1, 0x7b, 3, 2, 1, 0,
      10, 13, 1, 11, 0, 0x20, 0, 0x20, 1, 0x20, 2, 0xfd, 0x85, 0x02, 0x0b,
    ]),
  );
  return relaxedMadd;
}
