/**
 * Philox 4x32-10: a random function of a counter and a key (Salmon et al., "Parallel random numbers: as easy
 * as 1, 2, 3", SC 2011). It has no state, so that any element of any stream can be computed anywhere.
 */
export const multiplier0 = 0xd2511f53;
export const multiplier1 = 0xcd9e8d57;
export const weyl0 = 0x9e3779b9;
export const weyl1 = 0xbb67ae85;
export const rounds = 10;

export type Words2 = readonly [number, number];
export type Words4 = readonly [number, number, number, number];

/** The upper 32 bits of the 64-bit product of two unsigned words. */
export function multiplyHigh(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  const carried = a0 * b1 + (middle & 0xffff);
  return a1 * b1 + (middle >>> 16) + (carried >>> 16);
}

/** Four random words for a counter under a key. */
export function philox4x32(counter: Words4, key: Words2): [number, number, number, number] {
  const words = new Uint32Array(4);
  writeBlock(words, 0, counter, key);
  return [words[0]!, words[1]!, words[2]!, words[3]!];
}

/** Writes the block's words at `at` and after, as far as there is room. */
function writeBlock(words: Uint32Array, at: number, counter: Words4, key: Words2): void {
  let c0 = counter[0] | 0;
  let c1 = counter[1] | 0;
  let c2 = counter[2] | 0;
  let c3 = counter[3] | 0;
  let k0 = key[0] | 0;
  let k1 = key[1] | 0;
  for (let round = 0; round < rounds; round++) {
    const high0 = multiplyHigh(multiplier0, c0);
    const high1 = multiplyHigh(multiplier1, c2);
    const low0 = Math.imul(multiplier0, c0);
    const low1 = Math.imul(multiplier1, c2);
    c0 = high1 ^ c1 ^ k0;
    c2 = high0 ^ c3 ^ k1;
    c1 = low1;
    c3 = low0;
    k0 = (k0 + weyl0) | 0;
    k1 = (k1 + weyl1) | 0;
  }
  words[at] = c0;
  words[at + 1] = c1;
  words[at + 2] = c2;
  words[at + 3] = c3;
}

/** The same function in WGSL: `philox4x32(counter: vec4u, key: vec2u) -> vec4u`. */
export const philoxWgsl = `
fn multiply_high(a: u32, b: u32) -> u32 {
  let a0 = a & 0xffffu;
  let a1 = a >> 16u;
  let b0 = b & 0xffffu;
  let b1 = b >> 16u;
  let middle = a1 * b0 + ((a0 * b0) >> 16u);
  let carried = a0 * b1 + (middle & 0xffffu);
  return a1 * b1 + (middle >> 16u) + (carried >> 16u);
}

fn philox4x32(counter: vec4u, key: vec2u) -> vec4u {
  var c = counter;
  var k = key;
  for (var round = 0; round < ${rounds}; round++) {
    let high0 = multiply_high(${multiplier0}u, c.x);
    let high1 = multiply_high(${multiplier1}u, c.z);
    c = vec4u(high1 ^ c.y ^ k.x, ${multiplier1}u * c.z, high0 ^ c.w ^ k.y, ${multiplier0}u * c.x);
    k += vec2u(${weyl0}u, ${weyl1}u);
  }
  return c;
}`;

/** Low and high word of a whole number of at most 64 bits. @throws RangeError for other numbers */
export function words64(name: string, value: number | bigint): Words2 {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new RangeError(`${name} ${value} is not a whole number of at most 53 bits; use a bigint`);
  }
  const bits = BigInt.asUintN(64, BigInt(value));
  return [Number(bits & 0xffffffffn), Number(bits >> 32n)];
}

/** Names one sequence of random words: call number `call` of step `step` under a key. */
export interface PhiloxCall {
  readonly key: Words2;
  readonly step: Words2;
  readonly call: number;
}

/** The first `count` random words of a call: word i is component i mod 4 under the counter (⌊i/4⌋, call, step). */
export function philoxWords(
  { key, step, call }: PhiloxCall,
  count: number,
): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(count);
  for (let i = 0; i < count; i += 4) {
    writeBlock(words, i, [i / 4, call, step[0], step[1]], key);
  }
  return words;
}

/** `philoxWords` for a seed and step of up to 64 bits. */
export function philoxBits(
  seed: number | bigint,
  step: number | bigint,
  call: number,
  count: number,
): Uint32Array<ArrayBuffer> {
  return philoxWords({ key: words64('seed', seed), step: words64('step', step), call }, count);
}
