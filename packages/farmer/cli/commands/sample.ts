import type { Command } from 'commander';
import type { ModelConfig } from '../../src/config.ts';
import { parseClass } from '../class-option.ts';
import { withDevice } from '../device.ts';
import { checkWritable } from '../files/atomic-write.ts';
import {
  resolveCheckpoint,
  studentOf,
  withModelOptions,
  withStudentOption,
  type ModelOptions,
  type StudentOption,
} from '../model-options.ts';
import { wholeNumber, withCommonOptions, type CommonOptions } from '../options.ts';
import { createOutput } from '../output.ts';
import { checkGrid, drawSamples, labelsOfEveryClass, writeGrid } from '../sample-grid.ts';
import { imageLogDets, rankByLogDet, reorderImages } from '../rank-log-det.ts';
import {
  samplingDial,
  withSamplingOptions,
  type SamplingCommandOptions,
} from '../sampling-options.ts';
import { loadTrainedModel } from '../trained-model.ts';

interface SampleOptions extends CommonOptions, ModelOptions, StudentOption, SamplingCommandOptions {
  readonly class?: string;
  readonly count?: number;
  readonly columns?: number;
  readonly rankLogDet?: boolean;
  readonly out: string;
}

export function addSampleCommand(program: Command): void {
  const command = withStudentOption(
    withModelOptions(
      program
        .command('sample')
        .description('Draw images from a trained model and write them as one PNG grid.'),
    ),
    'draw with its inverse',
  )
    .option('--class <name>', 'one class, by number or name, or "none" (default: a row of each)')
    .option('--count <n>', 'images of each class (default: 8, or 16 of one class)', wholeNumber(1))
    .option('--columns <n>', 'images a row (default: one row a class)', wholeNumber(1))
    .option(
      '--rank-log-det',
      "put each class's images from the largest log-determinant of the flow to the smallest",
    )
    .option('--out <file>', 'the PNG to write', 'samples.png');
  withCommonOptions(withSamplingOptions(command), [
    'farmer sample --checkpoint tiny --out digits.png',
    'farmer sample --checkpoint tiny --student runs/student-mnist-tiny-0/checkpoint.safetensors',
    'farmer sample --checkpoint tiny --guidance farmer-1.1b --w 1.5',
    'farmer sample --run runs/tiny-mnist-0 --class 7 --count 64 --redundant-scale 0.8',
    'farmer sample --checkpoint tiny --redundant-scale 0,0.2,0.4,0.8,1,1.2,1.5,2,4   (a row each)',
    'farmer sample --checkpoint tiny --class 3 --count 64 --rank-log-det',
  ]).action((options: SampleOptions) => runSample(options));
}

async function runSample(options: SampleOptions): Promise<void> {
  const { out, seed } = options;
  const output = createOutput(options);
  const path = resolveCheckpoint(options);
  await checkWritable(out, ['.png']);
  const dial = samplingDial(options);
  await withDevice(options, output, async () => {
    const { model, checkpoint } = await loadTrainedModel(path);
    const { histogram, classNames } = checkpoint;
    const { labels, columns } = layOut(options, model.config.image, classNames);
    output.line(`checkpoint  ${path}, step ${checkpoint.step}, trained on ${checkpoint.run.data}`);
    const student = await studentOf(options, model, checkpoint);
    const start = performance.now();
    const total = labels.length * dial.length;
    const rows: Uint8Array[] = [];
    const logDets: number[] = [];
    for (const samplingOptions of dial) {
      rows.push(
        await drawSamples(model, histogram, {
          ...{ labels, seed, student, options: samplingOptions },
          onProgress: (done) =>
            output.status(`drew ${rows.length * labels.length + done} of ${total}`),
          onBatch: options.rankLogDet
            ? async (drawn) => void logDets.push(...(await imageLogDets(model, drawn)))
            : undefined,
        }),
      );
    }
    const order = options.rankLogDet ? rankByLogDet(labels, logDets) : undefined;
    const images = order ? reorderImages(rows[0]!, order) : Buffer.concat(rows);
    const seconds = (performance.now() - start) / 1000;
    await writeGrid(out, images, model.config.image, columns);
    output.line(`samples     ${out}: ${total} images in ${seconds.toFixed(1)} s`);
    output.result({
      ...{ command: 'sample', checkpoint: path, step: checkpoint.step, out, columns, seconds },
      images: total,
      logDets: order?.map((i) => logDets[i]!),
    });
  });
}

/** Which classes to draw, and the grid's width. */
function layOut(
  options: SampleOptions,
  image: ModelConfig['image'],
  classNames: readonly string[],
): { readonly labels: readonly number[]; readonly columns: number } {
  const factors = options.redundantScale.length;
  const isDial = factors > 1;
  if (isDial && options.rankLogDet) {
    throw new Error('--rank-log-det needs one --redundant-scale: give one, or leave it out');
  }
  // Of a dial, a row is all images at one factor.
  if (options.class === undefined) {
    const each = options.count ?? (isDial ? 1 : 8);
    const count = each * classNames.length;
    const columns = options.columns ?? (isDial ? count : each);
    checkGrid(count * factors, image, columns);
    return { labels: labelsOfEveryClass(classNames.length, each), columns };
  }
  const count = options.count ?? (isDial ? 8 : 16);
  const columns = options.columns ?? (isDial ? count : Math.ceil(Math.sqrt(count)));
  checkGrid(count * factors, image, columns);
  return { labels: Array<number>(count).fill(parseClass(options.class, classNames)), columns };
}
