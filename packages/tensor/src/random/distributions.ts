import { multiplyHigh, philoxBits } from './philox.ts';

/** A word as a number in [0, 1): its upper 24 bits, which f32 holds exactly. */
function uniformOf(word: number): number {
  return (word >>> 8) * 2 ** -24;
}

/**
 * A word as a number in (0, 1) for a logarithm: 24 significant bits, down to 2^-32. Unlike `uniformOf` it is never 0
 * and stays fine near 0, so that tails reach as far as 32 bits allow.
 */
function positiveUniformOf(word: number): number {
  const positive = word === 0 ? 1 : word;
  const zeros = Math.clz32(positive);
  return ((positive << zeros) >>> 8) * 2 ** (-24 - zeros);
}

/** Box-Muller: each pair of words gives two independent standard normals. */
export function normalsOf(words: Uint32Array): Float64Array {
  const normals = new Float64Array(words.length);
  for (let i = 0; i < words.length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(positiveUniformOf(words[i]!)));
    const angle = 2 * Math.PI * words[i + 1]! * 2 ** -32;
    normals[i] = radius * Math.cos(angle);
    normals[i + 1] = radius * Math.sin(angle);
  }
  return normals;
}

/** Uniforms in [0, 1), one for each word. */
export function uniformsOf(words: Uint32Array): Float64Array {
  return new Float64Array(words.length).map((_, i) => uniformOf(words[i]!));
}

/** Standard Gumbel noise, −ln(−ln u): argmax(logits + noise) is a draw from softmax(logits). */
export function gumbelOf(word: number): number {
  return -Math.log(-Math.log(positiveUniformOf(word)));
}

/** Uniforms in [0, 1): what `RandomStream.uniform` gives on a device, bit for bit. */
export function philoxUniforms(
  seed: number | bigint,
  step: number | bigint,
  call: number,
  count: number,
): Float32Array<ArrayBuffer> {
  return new Float32Array(uniformsOf(philoxBits(seed, step, call, count)));
}

/** Standard normals: what `RandomStream.normal` gives on a device, within float32 rounding. */
export function philoxNormals(
  seed: number | bigint,
  step: number | bigint,
  call: number,
  count: number,
): Float32Array<ArrayBuffer> {
  const whole = Math.ceil(count / 2) * 2;
  return new Float32Array(normalsOf(philoxBits(seed, step, call, whole)).subarray(0, count));
}

/** Whole numbers in [0, bound), each as likely as the next within bound/2^32. */
export function philoxIntegers(
  seed: number | bigint,
  step: number | bigint,
  call: number,
  count: number,
  bound: number,
): Uint32Array<ArrayBuffer> {
  if (!Number.isInteger(bound) || bound < 1 || bound >= 2 ** 32) {
    throw new RangeError(`philoxIntegers: bound ${bound} is not a whole number in [1, 2^32)`);
  }
  return philoxBits(seed, step, call, count).map((word) => multiplyHigh(word, bound));
}

// No device stream reaches this call number within a step.
const permutationCall = 0xffffffff;

/**
 * A random order of 0 … n − 1 (Fisher-Yates), for example one for each epoch.
 * @param stream which of the seed's permutations: the epoch
 */
export function philoxPermutation(
  n: number,
  seed: number | bigint,
  stream: number | bigint,
): Uint32Array<ArrayBuffer> {
  const words = philoxBits(seed, stream, permutationCall, n);
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let last = n - 1; last > 0; last--) {
    const other = multiplyHigh(words[last]!, last + 1);
    [order[last], order[other]] = [order[other]!, order[last]!];
  }
  return order;
}
