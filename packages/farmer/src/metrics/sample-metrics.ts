import type { Classified } from '../classifier-training.ts';
import { accuracy } from './class-accuracy.ts';
import { fitGaussian, frechetDistance, type Gaussian } from './frechet.ts';
import { inceptionScore } from './inception-score.ts';
import { precisionRecall } from './precision-recall.ts';

/** How a set of images compares with training images, as a classifier sees them. */
export interface SampleMetrics {
  /** Squared Fréchet distance of features to the reference's. Figures of different classifiers do not compare. */
  readonly frechetDistance: number;
  readonly inceptionScore: number;
  readonly precision: number;
  readonly recall: number;
  /** Share of images that the classifier takes for the class that they were made for. */
  readonly classAccuracy: number;
}

/** Training images as a classifier sees them. */
export interface Reference {
  readonly gaussian: Gaussian;
  /** [count × width], row-major. */
  readonly features: Float32Array;
  /** Features of an image. */
  readonly width: number;
}

/** @param width features of an image */
export function referenceOf({ features }: Classified, width: number): Reference {
  return { gaussian: fitGaussian(features, width), features, width };
}

/**
 * Precision and recall take as many reference images as there are samples, spread evenly: of unequal numbers the
 * larger set would have the smaller balls.
 * @param labels the class that each image was made for
 * @throws RangeError when there are more images than reference images
 */
export function measureSamples(
  { features, logits, count }: Classified,
  labels: ArrayLike<number>,
  { gaussian, features: real, width }: Reference,
): SampleMetrics {
  const classes = logits.length / count;
  const { precision, recall } = precisionRecall(spread(real, width, count), features, width);
  return {
    frechetDistance: frechetDistance(fitGaussian(features, width), gaussian),
    inceptionScore: inceptionScore(logits, classes),
    precision,
    recall,
    classAccuracy: accuracy(logits, labels, classes).share,
  };
}

/** `count` rows spread evenly over a matrix of rows. */
function spread(rows: Float32Array, width: number, count: number): Float32Array {
  const available = rows.length / width;
  if (count > available) {
    throw new RangeError(
      `sample metrics: ${count} images need as many reference images, got ${available}`,
    );
  }
  const chosen = new Float32Array(count * width);
  for (let i = 0; i < count; i++) {
    const row = Math.floor((i * available) / count);
    chosen.set(rows.subarray(row * width, (row + 1) * width), i * width);
  }
  return chosen;
}
