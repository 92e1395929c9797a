import { QUANTILES, type Memorisation } from '../src/metrics/memorisation.ts';
import type { SampleMetrics } from '../src/metrics/sample-metrics.ts';
import type { Output } from './output.ts';

/** Metrics of samples, and of as many test images: what a perfect model would reach. */
export interface MeasuredSamples {
  readonly generated: SampleMetrics;
  /** Of the same latents, with the flow inverted by a student. */
  readonly student?: SampleMetrics;
  readonly test: SampleMetrics;
  /** Of the samples that `generated` is of. */
  readonly near: Memorisation;
  readonly samples: number;
}

export function printMetrics(
  output: Output,
  { generated, student, test, near, samples }: MeasuredSamples,
): void {
  const row = (name: string, a: string, b: string, ofStudent = '') => {
    const cells = student ? [a, ofStudent, b] : [a, b];
    output.line(`  ${name.padEnd(30)} ${cells.map((cell) => cell.padStart(12)).join(' ')}`);
  };
  const figure = (name: string, of: (metrics: SampleMetrics) => number, digits: number) => {
    const text = (metrics: SampleMetrics) => of(metrics).toFixed(digits);
    row(name, text(generated), text(test), student && text(student));
  };
  const nearest = (name: string, q: number) => {
    const at = QUANTILES.indexOf(q);
    row(name, near.quantiles[at]!.toFixed(2), near.testQuantiles[at]!.toFixed(2));
  };
  output.line(`${samples} images each, against training images:`);
  row('', 'samples', 'test images', 'by student');
  figure('Fréchet distance (lower)', (m) => m.frechetDistance, 3);
  figure('inception score (higher)', (m) => m.inceptionScore, 3);
  figure('precision', (m) => m.precision, 3);
  figure('recall', (m) => m.recall, 3);
  figure('class accuracy', (m) => m.classAccuracy, 3);
  nearest('nearest training image, median', 0.5);
  nearest('nearest training image, 1 %', 0.01);
  row('copies of training images', String(near.copies), '');
  row('nearer than 1 % of test images', near.suspicious.toFixed(3), '0.010');
}
