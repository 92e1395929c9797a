import { scope, type Device, type Tensor } from '@farmer/tensor';
import type { Flow } from './flow.ts';
import type { StudentFlow } from './student-flow.ts';

/** An inverse of the flow, measured. */
export interface ReverseFigures {
  /** Median seconds of a batch, divided by its images. */
  readonly secondsAnImage: number;
  /** Of x after forward and back, in the flow's own units. */
  readonly meanSquaredError: number;
  readonly largestError: number;
}

export interface ReverseComparison {
  readonly images: number;
  readonly teacher: ReverseFigures;
  readonly student: ReverseFigures;
  /** The teacher's time over the student's. */
  readonly speedup: number;
}

/**
 * Inverts Z = F(x) by the teacher's exact sequential inverse and by the student, on the device of x in one run.
 * @param x [B, N, d]
 * @param repeats timed runs of each, after one that is not timed
 */
export async function compareReverse(
  teacher: Flow,
  student: StudentFlow,
  x: Tensor,
  repeats = 5,
): Promise<ReverseComparison> {
  const z = scope(() => teacher.forward(x).z);
  const expected = await x.data();
  const images = x.shape[0]!;
  const measured = async (inverse: (z: Tensor) => Tensor): Promise<ReverseFigures> => ({
    ...(await errorsOf(inverse, z, expected)),
    secondsAnImage: (await medianSeconds(x.device, () => inverse(z), repeats)) / images,
  });
  const exact = await measured((latent) => teacher.inverse(latent));
  const quick = await measured((latent) => student.inverse(latent));
  z.dispose();
  return {
    ...{ images, teacher: exact, student: quick },
    speedup: exact.secondsAnImage / quick.secondsAnImage,
  };
}

async function errorsOf(
  inverse: (z: Tensor) => Tensor,
  z: Tensor,
  expected: ArrayLike<number>,
): Promise<Pick<ReverseFigures, 'meanSquaredError' | 'largestError'>> {
  const result = inverse(z);
  const data = await result.data();
  result.dispose();
  let squared = 0;
  let largest = 0;
  data.forEach((value, i) => {
    const error = Math.abs(value - expected[i]!);
    squared += error * error;
    // A NaN must show, so the comparison is the one that it fails.
    if (!(error <= largest)) largest = error;
  });
  return { meanSquaredError: squared / data.length, largestError: largest };
}

async function medianSeconds(device: Device, run: () => Tensor, repeats: number): Promise<number> {
  const seconds: number[] = [];
  for (let i = 0; i < repeats; i++) {
    const start = performance.now();
    run().dispose();
    await device.synchronize();
    seconds.push((performance.now() - start) / 1000);
  }
  return seconds.sort((a, b) => a - b)[Math.floor(repeats / 2)]!;
}
