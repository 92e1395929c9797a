import { formatShape, sameShape, ShapeError, tensor, type Tensor } from '@farmer/tensor';

/**
 * Puts the labels of a batch on the default device, where their values can be checked no more.
 * @param classes how many there are; the label of this number stands for none
 * @returns i32 [B]
 * @throws RangeError naming a label that is not in 0 … classes
 */
export function labelTensor(labels: ArrayLike<number>, classes: number): Tensor {
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!;
    if (Number.isInteger(label) && label >= 0 && label <= classes) continue;
    throw new RangeError(
      `label ${label} is none of the ${classes} classes, 0 … ${classes - 1}, nor ${classes} for no class`,
    );
  }
  return tensor(labels, [labels.length], 'i32');
}

/**
 * Checks the shape of the labels that a batch of images is given. A value out of range would make NaN.
 * @param batch images; as many as there are labels where they are to be drawn
 * @throws ShapeError unless they are i32 [B]
 */
export function checkLabels(labels: Tensor, batch = labels.size): void {
  if (labels.dtype === 'i32' && sameShape(labels.shape, [batch])) return;
  throw new ShapeError(
    `labels are ${labels.dtype} ${formatShape(labels.shape)}, expected i32 [${batch}], a class for each image, as model.labels([…]) gives`,
  );
}
