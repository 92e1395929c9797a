import type { Command } from 'commander';
import { parseClass } from '../class-option.ts';
import { withDevice } from '../device.ts';
import { withModelOptions, type ModelOptions } from '../model-options.ts';
import { wholeNumber, withCommonOptions, type CommonOptions } from '../options.ts';
import { createOutput } from '../output.ts';
import { drawSamples, labelsOfEveryClass, writeGrid } from '../sample-grid.ts';
import {
  samplingOptions,
  withSamplingOptions,
  type SamplingCommandOptions,
} from '../sampling-options.ts';
import { loadStudent, weightsHash } from '../student-checkpoint.ts';
import { loadTrainedModel } from '../trained-model.ts';
import { resolveCheckpoint } from '../weights.ts';

interface SampleOptions extends CommonOptions, ModelOptions, SamplingCommandOptions {
  readonly class?: string;
  readonly count?: number;
  readonly columns?: number;
  readonly student?: string;
  readonly out: string;
}

export function addSampleCommand(program: Command): void {
  const command = withModelOptions(
    program
      .command('sample')
      .description('Draw images from a trained model and write them as one PNG grid.'),
  )
    .option('--class <name>', 'one class, by number or name, or "none" (default: a row of each)')
    .option('--count <n>', 'images of each class (default: 8, or 16 of one class)', wholeNumber(1))
    .option('--columns <n>', 'images a row (default: one row a class)', wholeNumber(1))
    .option(
      '--student <file>',
      "a student of the model's flow, from `farmer distill`, to invert it",
    )
    .option('--out <file>', 'the PNG to write', 'samples.png');
  withCommonOptions(withSamplingOptions(command), [
    'farmer sample --checkpoint tiny --out digits.png',
    'farmer sample --checkpoint tiny --student runs/student-mnist-tiny-0/checkpoint.safetensors',
    'farmer sample --checkpoint tiny --guidance farmer-1.1b --w 1.5',
    'farmer sample --run runs/tiny-mnist-0 --class 7 --count 64 --redundant-scale 0.8',
  ]).action((options: SampleOptions) => runSample(options));
}

async function runSample(options: SampleOptions): Promise<void> {
  const { out, seed } = options;
  const output = createOutput(options);
  const path = resolveCheckpoint(options);
  await withDevice(options, output, async () => {
    const { model, checkpoint, trainingData, histogram } = await loadTrainedModel(path);
    const { labels, columns } = layOut(options, trainingData.classNames);
    output.line(`checkpoint  ${path}, step ${checkpoint.step}, trained on ${checkpoint.run.data}`);
    const student =
      options.student === undefined
        ? undefined
        : await loadStudent(options.student, model, weightsHash(checkpoint.model));
    const start = performance.now();
    const images = await drawSamples(model, histogram, {
      ...{ labels, seed, student, options: samplingOptions(options) },
      onProgress: (done) => output.status(`drew ${done} of ${labels.length}`),
    });
    const seconds = (performance.now() - start) / 1000;
    await writeGrid(out, images, model.config.image, columns);
    output.line(`samples     ${out}: ${labels.length} images in ${seconds.toFixed(1)} s`);
    output.result({
      ...{ command: 'sample', checkpoint: path, step: checkpoint.step, out, columns, seconds },
      images: labels.length,
    });
  });
}

/** Which classes to draw, and the grid's width. */
function layOut(options: SampleOptions, classNames: readonly string[]) {
  if (options.class === undefined) {
    const each = options.count ?? 8;
    const labels = labelsOfEveryClass(classNames.length, each);
    return { labels, columns: options.columns ?? each };
  }
  const count = options.count ?? 16;
  const labels = Array<number>(count).fill(parseClass(options.class, classNames));
  return { labels, columns: options.columns ?? Math.ceil(Math.sqrt(count)) };
}
