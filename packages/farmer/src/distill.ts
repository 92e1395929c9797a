import { noGrad } from '@farmer/autograd';
import { map, mean, RandomStream, scope, stack, variance, type Tensor } from '@farmer/tensor';
import { CapturedTraining } from './captured-training.ts';
import type { ImageDataset } from './data/image-dataset.ts';
import { pixelMap } from './dequantize.ts';
import type { DistillationConfig } from './distill-config.ts';
import type { Flow } from './flow.ts';
import type { PixelHistogram } from './histogram.ts';
import { ImageBatches } from './image-batches.ts';
import type { Farmer } from './model.ts';
import { StudentFlow } from './student-flow.ts';

/** Sets the device's noise apart from the host's, which is keyed by the seed itself. */
const DEVICE_KEY = 2n ** 63n;

export interface DistillerOptions {
  /** Of the teacher's training images. */
  readonly histogram: PixelHistogram;
  /** Standard deviation of the noise on pixels that the teacher ended its training with; for pixels 'gaussian'. */
  readonly sigma: number;
  readonly seed: number;
}

/**
 * One-step distillation (section 3.5, algorithm 2): trains a student to undo the teacher's flow, block by block, from
 * the teacher's forward pass alone. The teacher is read and never written.
 */
export class Distiller extends CapturedTraining {
  readonly config: DistillationConfig;
  readonly student: StudentFlow;
  readonly #batches: ImageBatches;
  readonly #random: RandomStream;

  /** @param teacher a trained model on the default device */
  constructor(
    teacher: Farmer,
    config: DistillationConfig,
    dataset: ImageDataset,
    { histogram, sigma, seed }: DistillerOptions,
  ) {
    const fixed = pixelMap(teacher.config, histogram, sigma);
    const batches = new ImageBatches(dataset, {
      ...{ batch: config.batch, seed, model: teacher.config },
      pixelMapAt: () => fixed,
    });
    const random = new RandomStream(BigInt(seed) + DEVICE_KEY);
    const student = new StudentFlow(teacher.flow, teacher.config, config.attention);
    super(config, {
      parameters: student.namedParameters(),
      prepare: (step) => {
        batches.write(step);
        random.setStep(step);
      },
      loss: () => {
        const path = noGrad(() => forwardPath(teacher.flow, teacher.tokens(batches.images)));
        const noisy = noGrad(() => perturbed(path.at(-1)!, random, config.latentNoise));
        return distillationLoss(student, path, noisy);
      },
    });
    this.config = config;
    this.student = student;
    this.#batches = batches;
    this.#random = random;
  }

  /** Frees all but the student. */
  override dispose(): void {
    this.#batches.dispose();
    this.#random.dispose();
    super.dispose();
  }
}

/** The states of the flow's forward pass: X = Z⁰, Z¹, … Zⁿ = Z, [B, N, d] each. */
export function forwardPath(flow: Flow, x: Tensor): Tensor[] {
  return scope(() => {
    const path = [x];
    for (const block of flow.blocks) path.push(block.forward(path.at(-1)!).z);
    return path;
  });
}

/**
 * Z̃ⁿ = Zⁿ + s·ε with ε ~ N(0, I) and s ~ U[0, latentNoise) for each image, in units of each channel's standard deviation
 * over the batch, since Zⁿ has no unit variance.
 */
export function perturbed(z: Tensor, random: RandomStream, latentNoise: number): Tensor {
  return scope(() =>
    map('z + s * sqrt(channelVariance) * noise', {
      z,
      s: random.uniform([z.shape[0]!, 1, 1], 0, latentNoise),
      channelVariance: variance(z, { axes: [0, 1] }), // [d]
      noise: random.normal(z.shape),
    }),
  );
}

/**
 * (1/n) Σ_t ‖Z̃^{t−1} − Z^{t−1}‖², the mean over elements, with each block fed by the student's own output.
 * @param path Z⁰ … Zⁿ of the teacher
 * @param noisy Z̃ⁿ
 * @returns the loss, []
 */
export function distillationLoss(
  student: StudentFlow,
  path: readonly Tensor[],
  noisy: Tensor,
): Tensor {
  return scope(() => {
    const errors = student
      .inversePath(noisy)
      .map((made, t) => mean(map('(a - b) * (a - b)', { a: made, b: path[t]! })));
    return mean(stack(errors, 0));
  });
}
