import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { Option, type Command } from 'commander';
import type { Device } from '@farmer/tensor';
import type { ImageDataset } from '../../src/data/image-dataset.ts';
import type { Yardstick } from '../ablation/measure.ts';
import { planRows, planRuns, type Budget, type PlannedRow } from '../ablation/plan.ts';
import { writeReport } from '../ablation/report.ts';
import { parseRows, rows } from '../ablation/rows.ts';
import { claimFolder, runAblation } from '../ablation/run-ablation.ts';
import { readClassifier } from '../classifier-file.ts';
import { checkFit, readReference } from '../classifier-reference.ts';
import { withDevice } from '../device.ts';
import { checkWritable } from '../files/atomic-write.ts';
import { wholeNumber, withCommonOptions, type CommonOptions } from '../options.ts';
import { createOutput, type Output } from '../output.ts';
import { resolveRun, type RunChoices, type RunConfig } from '../run-config.ts';
import { withRunOptions } from '../run-options.ts';
import { shellWord } from '../shell-word.ts';
import { loadSplit, drawImages } from '../training-data.ts';
import { resolveClassifier } from '../weights.ts';

interface AblationOptions extends CommonOptions, RunChoices {
  readonly budget: Budget;
  readonly rows: string;
  readonly seeds: number;
  readonly classifier?: string;
  readonly testImages?: number;
  readonly draws: number;
  readonly samples: number;
  readonly reference: number;
  readonly run?: string;
  readonly out?: string;
}

export function addAblationCommand(program: Command): void {
  const command = withRunOptions(
    program
      .command('ablation')
      .description(
        "Train the models of the paper's ablations with equal budgets and several seeds, measure them, and write a report. The configuration is the full model's; each row changes a part of it. An interrupted ablation goes on where it was.",
      ),
    'the full model',
  )
    .addOption(
      new Option('--budget <kind>', 'what all rows have alike: training operations or steps')
        .choices(['flops', 'steps'])
        .default('flops'),
    )
    .option('--rows <a,b>', 'which rows', Object.keys(rows).join(','))
    .option('--seeds <n>', 'runs of each row, with seeds from --seed up', wholeNumber(1), 3)
    .option('--classifier <file>', "a classifier's file (default: the one shipped for the data)")
    .option('--test-images <n>', 'evaluate this many test images (default: all)', wholeNumber(2))
    .option('--draws <n>', 'draws of the dequantisation noise for each image', wholeNumber(1), 1)
    .option('--samples <n>', 'images to draw from each model', wholeNumber(10), 1000)
    .option('--reference <n>', 'training images to compare them with', wholeNumber(10), 10_000)
    .option('--run <dir>', 'folder of the runs (default: runs/ablation-<preset>-<data>)')
    .option('--out <dir>', 'folder of the report (default: report, in the folder of the runs)');
  withCommonOptions(command, [
    'farmer ablation --preset tiny',
    'farmer ablation --steps 1000 --rows full,jet,tarflow --seeds 1 --run runs/three',
  ]).action((options: AblationOptions) => ablate(options));
}

async function ablate(options: AblationOptions): Promise<void> {
  const output = createOutput(options);
  const { data, seed, seeds, budget } = options;
  const names = parseRows(options.rows);
  const path = options.run ?? join('runs', `ablation-${options.preset}-${basename(resolve(data))}`);
  const out = options.out ?? join(path, 'report');
  const { run: base, dataset } = await resolveRun(options);
  const classifier = resolveClassifier(options.classifier, data);
  await checkWritable(join(out, 'README.md'));
  await claimFolder(path, { data, trainImages: base.trainImages, budget, config: base.config });
  const planned = planRows(names, base.config, budget);
  const runs = planRuns(planned, base, seeds, path);
  printPlan(output, path, planned, runs.length);
  await withDevice(options, output, async (device) => {
    const yardstick = await prepareYardstick(options, classifier, dataset, output);
    const content = {
      ...{ path: out, planned, command: commandLine(options) },
      description: describe(base, dataset, budget, yardstick, device),
    };
    let summaries: unknown;
    const isDone = await runAblation({ runs, dataset, device, yardstick, output }, async (done) => {
      summaries = await writeReport({ ...content, done });
      output.line(`report      ${join(out, 'README.md')}, ${done.length} runs`);
    });
    if (!isDone) output.line('go on with  the same command');
    output.result({
      ...{ command: 'ablation', run: path, out, isDone, seed, rows: names },
      summaries,
    });
  });
}

function printPlan(
  output: Output,
  path: string,
  planned: readonly PlannedRow[],
  count: number,
): void {
  output.line(`runs        ${count} in ${path}`);
  for (const { name, parameters, config, tflop } of planned) {
    output.line(
      `  ${name.padEnd(22)} ${parameters.toLocaleString('en-US').padStart(11)} parameters, ${config.training.steps} steps, ${tflop.toPrecision(3)} TFLOP`,
    );
  }
}

async function prepareYardstick(
  options: AblationOptions,
  path: string,
  dataset: ImageDataset,
  output: Output,
): Promise<Yardstick> {
  const { data, testImages, draws, samples } = options;
  const { classifier } = await readClassifier(path);
  checkFit(classifier, dataset, path);
  const whole = await loadSplit(data, 'test', dataset);
  const test = testImages === undefined ? whole : drawImages(whole, testImages, '--test-images');
  const hash = createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
    .slice(0, 16);
  const reference = await readReference(classifier, dataset, options, output);
  const measuring = {
    ...{
      testImages: test.count,
      draws,
      samples,
      reference: reference.features.length / reference.width,
    },
    classifier: hash,
  };
  return { measuring, test, classifier, reference };
}

/** The settings of a report. */
function describe(
  { config }: RunConfig,
  dataset: ImageDataset,
  budget: Budget,
  { measuring }: Yardstick,
  device: Device,
): string[] {
  const { batch, steps } = config.training;
  const { testImages, draws, samples, reference } = measuring;
  const equal =
    budget === 'flops'
      ? 'every other model has the steps that take the same training operations (products of matrices, forward and backward)'
      : 'every other model has the same number of steps';
  return [
    `Models trained on "${dataset.name}" (${dataset.count} images) in batches of ${batch}: the full model for ${steps.toLocaleString('en-US')} steps; ${equal}. The learning rate's schedule is fitted to the steps, and nothing is tuned for a row.`,
    `Bits/dim are exact, of ${testImages.toLocaleString('en-US')} test images with ${draws} ${draws === 1 ? 'draw' : 'draws'} of uniform noise each. The other figures are of ${samples.toLocaleString('en-US')} images from each model, as many of each class, against ${reference.toLocaleString('en-US')} training images. Device: ${device.name}.`,
  ];
}

/** Everything that the figures depend on, and where they were written, as it would be typed. */
function commandLine(options: AblationOptions): string {
  const { data, trainImages, imageSize, steps, classifier, testImages, seed, out } = options;
  const optional = { trainImages, imageSize, steps, classifier, testImages };
  const given = Object.entries(optional).flatMap(([name, value]) =>
    value === undefined
      ? []
      : [`--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)} ${shellWord(String(value))}`],
  );
  return [
    `farmer ablation --preset ${options.preset} --data ${shellWord(data)}`,
    ...given,
    ...options.set.map((part) => `--set ${shellWord(part)}`),
    `--budget ${options.budget} --rows ${options.rows} --seeds ${options.seeds} --seed ${seed}`,
    `--draws ${options.draws} --samples ${options.samples} --reference ${options.reference}`,
    ...(out === undefined ? [] : [`--out ${shellWord(out)}`]),
  ].join(' ');
}
