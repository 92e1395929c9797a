import { formatShape, sameShape, ShapeError, type Tensor } from '@farmer/tensor';

/**
 * Checks the classes that a batch of images is given.
 * @param batch images; as many as there are labels where they are to be drawn
 * @throws ShapeError unless they are i32 [B]
 */
export function checkLabels(labels: Tensor, batch = labels.size): void {
  if (labels.dtype === 'i32' && sameShape(labels.shape, [batch])) return;
  throw new ShapeError(
    `labels are ${labels.dtype} ${formatShape(labels.shape)}, expected i32 [${batch}], a class for each image: tensor(classes, [${batch}], 'i32')`,
  );
}
