export interface PrecisionRecall {
  /** Share of generated images inside the real manifold: fidelity. */
  readonly precision: number;
  /** Share of real images inside the generated manifold: coverage. */
  readonly recall: number;
}

/**
 * Improved precision and recall (Kynkäänniemi et al. 2019). A set's manifold is the union of balls around its
 * features, each with the distance to its k-th nearest other feature as its radius.
 * @param real [count × d], row-major; as many rows as `generated`, or the two figures do not compare
 * @param k 3 in the paper
 */
export function precisionRecall(
  real: Float32Array,
  generated: Float32Array,
  d: number,
  k = 3,
): PrecisionRecall {
  return {
    precision: shareInside(generated, real, d, k),
    recall: shareInside(real, generated, d, k),
  };
}

function shareInside(points: Float32Array, manifold: Float32Array, d: number, k: number): number {
  const radii = squaredRadii(manifold, d, k);
  const count = points.length / d;
  let inside = 0;
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < radii.length; j++) {
      if (squaredDistance(points, i, manifold, j, d, radii[j]!) <= radii[j]!) {
        inside++;
        break;
      }
    }
  }
  return inside / count;
}

/** The squared distance of each row to its k-th nearest other row. */
function squaredRadii(features: Float32Array, d: number, k: number): Float64Array {
  const count = features.length / d;
  if (!(count > k)) {
    throw new RangeError(`precisionRecall: ${k} nearest neighbours need more than ${count} images`);
  }
  return Float64Array.from({ length: count }, (_, i) => {
    const nearest = new Float64Array(k).fill(Infinity); // ascending
    for (let j = 0; j < count; j++) {
      if (j === i) continue;
      const distance = squaredDistance(features, i, features, j, d, nearest[k - 1]!);
      if (distance < nearest[k - 1]!) insert(nearest, distance);
    }
    return nearest[k - 1]!;
  });
}

/** Puts a value into a sorted list in place of its last. */
function insert(sorted: Float64Array, value: number): void {
  let at = sorted.length - 1;
  for (; at > 0 && sorted[at - 1]! > value; at--) sorted[at] = sorted[at - 1]!;
  sorted[at] = value;
}

/** Stops early, at some value above `enough`, once the sum is above it. */
function squaredDistance(
  a: Float32Array,
  i: number,
  b: Float32Array,
  j: number,
  d: number,
  enough: number,
): number {
  let sum = 0;
  for (let c = 0; c < d;) {
    const end = Math.min(d, c + 8);
    for (; c < end; c++) sum += (a[i * d + c]! - b[j * d + c]!) ** 2;
    if (sum > enough) return sum;
  }
  return sum;
}
