/**
 * Bayes' rule on exact likelihoods, all classes being as likely before: p(c | x) ∝ p(x | c) = 2^(−D · bits/dim of x
 * under c).
 * @param bitsPerDim of one image under each class
 * @param values D = H·W·C of the image
 */
export function classPosterior(bitsPerDim: ArrayLike<number>, values: number): Float64Array {
  const bits = Float64Array.from(bitsPerDim, (each) => each * values);
  const least = bits.reduce((a, b) => Math.min(a, b), Infinity);
  const odds = bits.map((each) => 2 ** (least - each));
  const sum = odds.reduce((a, b) => a + b, 0);
  return odds.map((each) => each / sum);
}
