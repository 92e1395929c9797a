/**
 * The area under the ROC curve of telling two groups apart by one score: the probability that a member of `higher` scores
 * above a member of `lower`, a tie counted half (Mann and Whitney's U over its largest value). 0.5 is chance.
 *
 * @throws RangeError when a group is empty, or a score is NaN, which has no place in the order
 */
export function auroc(lower: ArrayLike<number>, higher: ArrayLike<number>): number {
  if (lower.length === 0 || higher.length === 0) {
    throw new RangeError('auroc: a group has no scores');
  }
  const scores = [
    ...Array.from(lower, (score) => ({ score, isHigher: false })),
    ...Array.from(higher, (score) => ({ score, isHigher: true })),
  ];
  if (scores.some(({ score }) => Number.isNaN(score))) {
    throw new RangeError('auroc: a score is NaN; leave such images out, and say how many they are');
  }
  // By comparison, since ∞ − ∞ is NaN.
  scores.sort((a, b) => Number(a.score > b.score) - Number(a.score < b.score));
  let wins = 0;
  let below = 0;
  for (let start = 0; start < scores.length;) {
    let end = start;
    let [lows, highs] = [0, 0];
    while (end < scores.length && scores[end]!.score === scores[start]!.score) {
      if (scores[end++]!.isHigher) highs++;
      else lows++;
    }
    wins += highs * (below + lows / 2);
    below += lows;
    start = end;
  }
  return wins / (lower.length * higher.length);
}
