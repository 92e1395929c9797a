import type { Classifier } from '../src/classifier.ts';
import { classifyImages } from '../src/classifier-training.ts';
import { formatImageShape, type ImageDataset } from '../src/data/image-dataset.ts';
import { referenceOf, type Reference } from '../src/metrics/sample-metrics.ts';
import type { Output } from './output.ts';
import { drawImages } from './training-data.ts';

/**
 * `reference` training images drawn at random, or as many as there are samples, as a classifier sees them.
 * @throws Error when there are fewer training images than samples: call it before these are drawn
 */
export async function readReference(
  classifier: Classifier,
  training: ImageDataset,
  { samples, reference: wanted }: { readonly samples: number; readonly reference: number },
  output: Output,
): Promise<Reference> {
  if (samples > training.count) {
    throw new Error(
      `--samples ${samples} is more than the ${training.count} images of "${training.name}": samples are compared with as many training images`,
    );
  }
  const count = Math.min(training.count, Math.max(samples, wanted));
  const chosen = drawImages(training, count, '--reference');
  const classified = await classifyImages(classifier, chosen.images, {
    onProgress: (done) => output.status(`read features of ${done} of ${count} training images`),
  });
  return referenceOf(classified, classifier.config.width);
}

/** @throws Error when the classifier is for other images than these */
export function checkFit({ config }: Classifier, data: ImageDataset, path: string): void {
  const expected = `${formatImageShape(data)} in ${data.classes} classes`;
  const found = `${formatImageShape(config.image)} in ${config.classes} classes`;
  if (expected === found) return;
  throw new Error(
    `${path} classifies images of ${found}, but those of "${data.name}" are ${expected}: train one on such data with \`farmer classifier train\``,
  );
}
