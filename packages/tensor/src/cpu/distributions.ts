import { log } from './math.ts';
import { F32x4, I32x4, type FunctionBuilder } from './wasm/index.ts';

// The maps of random/distributions.ts on four random words.

/** Words as numbers in [0, 1): their upper 24 bits, exact. */
export const uniformOf = (word: I32x4): F32x4 =>
  word
    .shr(8)
    .toF32x4()
    .mul(2 ** -24);

/** ln of words as numbers in (0, 1), of which the first 24 significant bits count. */
function logUniformOf(f: FunctionBuilder, word: I32x4): F32x4 {
  const positive = f.let(word.or(word.eq(0).and(1)));
  // All bits below the highest one of the upper byte are beyond the first 24.
  const byte = f.let(positive.shr(24));
  const pairs = f.let(byte.or(byte.shr(1)));
  const nibbles = f.let(pairs.or(pairs.shr(2)));
  const beyond = nibbles.or(nibbles.shr(4));
  const significant = f.let(positive.and(beyond.not()));
  return log(f, f.let(significant.unsignedToF32x4().mul(2 ** -32)));
}

/** Cosine and sine of 2π · word / 2^32: the nearest quarter turn by integers, the rest by polynomial. */
function turn(f: FunctionBuilder, word: I32x4): { cosine: F32x4; sine: F32x4 } {
  const quarter = f.let(word.add(0x20000000).shr(30));
  const x = f.let(word.sub(quarter.shl(30)).toF32x4().mul(1.4629180792671596e-9));
  const z = f.let(x.mul(x));
  const s = F32x4.of(-1.9515295891e-4).madd(z, 8.3321608736e-3).madd(z, -1.6666654611e-1);
  const sine = f.let(s.mul(z).madd(x, x));
  const c = F32x4.of(2.443315711809948e-5).madd(z, -1.388731625493765e-3);
  const fourth = c.madd(z, 4.166664568298827e-2).mul(z);
  const cosine = f.let(fourth.madd(z, z.madd(-0.5, 1)));
  const isOdd = f.let(quarter.and(1).eq(1));
  const sign = f.let(quarter.and(2).shl(30));
  const signed = (value: F32x4): F32x4 => f.let(value.asI32x4().xor(sign).asF32x4());
  return {
    cosine: signed(isOdd.select(sine.neg(), cosine)),
    sine: signed(isOdd.select(cosine, sine)),
  };
}

/** Standard normals from two pairs of words (Box-Muller). */
export function normalsOf(f: FunctionBuilder, words: I32x4): F32x4 {
  // Lanes 0 and 2 give radii, lanes 1 and 3 angles.
  const first = f.let(words.shuffle(words, [0, 0, 2, 2]));
  const radius = f.let(logUniformOf(f, first).mul(-2).sqrt());
  const { cosine, sine } = turn(f, f.let(words.shuffle(words, [1, 1, 3, 3])));
  return f.let(radius.mul(I32x4.lanes([-1, 0, -1, 0]).select(cosine, sine)));
}

/** Standard Gumbel noise, -ln(-ln u). */
export const gumbelOf = (f: FunctionBuilder, word: I32x4): F32x4 =>
  f.let(log(f, f.let(logUniformOf(f, word).neg())).neg());
