/**
 * exp(mean KL(p(y|x) ‖ p(y))), with p(y) the mean of p(y|x) over the images (Salimans et al. 2016): 1 when the
 * classifier says the same of all images, the number of classes when it is sure of each and they are evenly spread.
 * All images form one group.
 * @param logits [count × classes], row-major
 */
export function inceptionScore(logits: ArrayLike<number>, classes: number): number {
  const count = logits.length / classes;
  const marginal = new Float64Array(classes);
  let negativeEntropy = 0;
  for (let i = 0; i < count; i++) {
    const logProbabilities = logSoftmax(logits, i * classes, classes);
    for (let k = 0; k < classes; k++) {
      const p = Math.exp(logProbabilities[k]!);
      marginal[k]! += p / count;
      // 0 · log 0 = 0, also where log 0 is −∞
      if (p > 0) negativeEntropy += (p * logProbabilities[k]!) / count;
    }
  }
  const marginalEntropy = marginal.reduce((sum, p) => sum - (p > 0 ? p * Math.log(p) : 0), 0);
  return Math.exp(marginalEntropy + negativeEntropy);
}

function logSoftmax(logits: ArrayLike<number>, start: number, length: number): Float64Array {
  const own = Float64Array.from({ length }, (_, k) => logits[start + k]!);
  const largest = own.reduce((a, b) => Math.max(a, b), -Infinity);
  const sum = own.reduce((total, x) => total + Math.exp(x - largest), 0);
  return own.map((x) => x - largest - Math.log(sum));
}
