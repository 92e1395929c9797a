/**
 * The maps of distributions.ts in WGSL. Logarithm, sine and cosine are Cephes' float32 polynomials: WGSL's own may be
 * wrong by 2^-11, and reduction by integers keeps them exact where the distribution is finest.
 */
export const distributionsWgsl = `
fn uniform_of(word: u32) -> f32 { return f32(word >> 8u) * 0x1p-24f; }

// ln(mantissa · 2^exponent) for a mantissa in [0.5, 1).
fn log_parts(mantissa: f32, exponent: i32) -> f32 {
  let low = mantissa < 0.70710678;
  let x = select(mantissa, 2.0 * mantissa, low) - 1.0;
  let e = f32(select(exponent, exponent - 1, low));
  let z = x * x;
  var y = 7.0376836292e-2;
  y = y * x - 1.1514610310e-1;
  y = y * x + 1.1676998740e-1;
  y = y * x - 1.2420140846e-1;
  y = y * x + 1.4249322787e-1;
  y = y * x - 1.6668057665e-1;
  y = y * x + 2.0000714765e-1;
  y = y * x - 2.4999993993e-1;
  y = y * x + 3.3333331174e-1;
  // ln 2 = 0.693359375 − 2.12194440e-4, the first part exact for every exponent.
  return 0.693359375 * e + (x + (y * x * z - 2.12194440e-4 * e - 0.5 * z));
}

fn log_positive(x: f32) -> f32 {
  let parts = frexp(x);
  return log_parts(parts.fract, parts.exp);
}

// ln of the word as a number in (0, 1).
fn log_uniform_of(word: u32) -> f32 {
  let positive = max(word, 1u);
  let zeros = countLeadingZeros(positive);
  return log_parts(f32((positive << zeros) >> 8u) * 0x1p-24f, -i32(zeros));
}

// Cosine and sine of 2π · word / 2^32: the nearest quarter turn by integers, the rest by polynomial.
fn cos_sin_turn(word: u32) -> vec2f {
  let quarter = (word + 0x20000000u) >> 30u;
  let rest = bitcast<i32>(word - (quarter << 30u));
  let x = f32(rest) * 1.4629180792671596e-9;
  let z = x * x;
  let sine = ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1) * z * x + x;
  let cosine = ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2) * z * z - 0.5 * z + 1.0;
  let swapped = select(vec2f(cosine, sine), vec2f(-sine, cosine), (quarter & 1u) == 1u);
  return select(swapped, -swapped, (quarter & 2u) == 2u);
}

fn normal_pair_of(word0: u32, word1: u32) -> vec2f {
  return sqrt(-2.0 * log_uniform_of(word0)) * cos_sin_turn(word1);
}

fn gumbel_of(word: u32) -> f32 { return -log_positive(-log_uniform_of(word)); }
`;
