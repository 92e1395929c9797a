export interface Accuracy {
  /** Of all images. */
  readonly share: number;
  /** Of the images of each class; NaN for a class without any. */
  readonly byClass: readonly number[];
}

/**
 * How often the largest logit is that of the label.
 * @param logits [count × classes], row-major
 */
export function accuracy(
  logits: ArrayLike<number>,
  labels: ArrayLike<number>,
  classes: number,
): Accuracy {
  const right = new Float64Array(classes);
  const total = new Float64Array(classes);
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!;
    total[label]!++;
    if (largestAt(logits, i * classes, classes) === label) right[label]!++;
  }
  return {
    share: right.reduce((a, b) => a + b, 0) / labels.length,
    byClass: Array.from(right, (count, label) => count / total[label]!),
  };
}

function largestAt(values: ArrayLike<number>, start: number, length: number): number {
  let best = 0;
  for (let k = 1; k < length; k++) if (values[start + k]! > values[start + best]!) best = k;
  return best;
}
