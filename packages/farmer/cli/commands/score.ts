import type { Command } from 'commander';
import { formatImageShape, type ImageDataset } from '../../src/data/image-dataset.ts';
import type { ModelConfig } from '../../src/config.ts';
import { auroc } from '../../src/metrics/auroc.ts';
import { parseClass } from '../class-option.ts';
import { comparisonChart, scoreSet, summarise } from '../compare-datasets.ts';
import { withDevice } from '../device.ts';
import { checkWritable } from '../files/atomic-write.ts';
import { checkChartPath, writeChart } from '../files/chart.ts';
import { resolveCheckpoint, withModelOptions, type ModelOptions } from '../model-options.ts';
import { isGiven, wholeNumber, withCommonOptions, type CommonOptions } from '../options.ts';
import { createOutput, type Output } from '../output.ts';
import { notePadding } from '../padding-note.ts';
import { mapPath, scoreFile, type FileScore } from '../score-files.ts';
import { loadSplitFor, loadTrainedModel, type TrainedModel } from '../trained-model.ts';
import { drawImages } from '../training-data.ts';

interface ScoreOptions extends CommonOptions, ModelOptions {
  readonly class: string;
  readonly draws: number;
  readonly resize?: boolean;
  readonly maps?: string;
  readonly data?: string;
  readonly compare?: string;
  readonly limit: number;
  readonly out?: string;
}

export function addScoreCommand(program: Command): void {
  const command = withModelOptions(
    program
      .command('score')
      .description(
        'Measure bits/dim of PNG files, their parts and where in the image they come from; or of two datasets, to see whether likelihood tells them apart.',
      )
      .argument('[files...]', "PNG files of the size of the model's images"),
  )
    .option('--class <name>', 'score under this class, by number or name', 'none')
    .option('--draws <n>', 'draws of the dequantisation noise to average', wholeNumber(1), 1)
    .option('--resize', 'crop and scale files of another size')
    .option('--maps <dir>', "draw each file's bits token by token into this folder")
    .option('--compare <name|dir>', 'instead of files: a dataset that the model was not trained on')
    .option('--data <name|dir>', "what to compare it with (default: the training's dataset)")
    .option('--limit <n>', 'test images of each dataset, drawn at random', wholeNumber(1), 1000)
    .option('--out <file>', 'draw both histograms to this .png or .svg');
  withCommonOptions(command, [
    'farmer score --checkpoint tiny seven.png --class 7 --maps maps',
    'farmer score --checkpoint tiny --compare fashion-mnist --out outliers.png',
  ]).action((files: string[], options: ScoreOptions, self: Command) => {
    checkOptions(files, (name) => isGiven(self, name));
    return runScore(files, options);
  });
}

/** @throws Error for options of the one use with the other */
function checkOptions(files: readonly string[], has: (option: string) => boolean): void {
  if (files.length > 0 === has('compare')) {
    throw new Error(
      'give either PNG files to score, or --compare with a dataset; `farmer eval` scores one dataset',
    );
  }
  const [unused, use] = has('compare')
    ? [['class', 'draws', 'resize', 'maps'], 'PNG files']
    : [['data', 'limit', 'out'], '--compare'];
  const wrong = unused.find(has);
  if (wrong !== undefined) throw new Error(`--${wrong} needs ${use}`);
}

async function runScore(files: readonly string[], options: ScoreOptions): Promise<void> {
  const { compare, out, maps } = options;
  const output = createOutput(options);
  const path = resolveCheckpoint(options);
  if (out !== undefined) await checkChartPath(out);
  if (maps !== undefined) await checkMaps(files, maps);
  await withDevice(options, output, async () => {
    const trained = await loadTrainedModel(path);
    const { step, run } = trained.checkpoint;
    output.line(`checkpoint  ${path}, step ${step}, trained on ${run.data}`);
    notePadding(output, run.config.model);
    const results =
      compare === undefined
        ? { files: await scoreFiles(files, trained, options, output) }
        : await compareSets(compare, trained, options, output);
    output.result({ command: 'score', checkpoint: path, step, ...results });
  });
}

/** @throws Error when a file's map could not be written, or would take the place of another's */
async function checkMaps(files: readonly string[], folder: string): Promise<void> {
  const fileOf = new Map<string, string>();
  for (const file of files) {
    const map = mapPath(folder, file);
    const other = fileOf.get(map);
    if (other !== undefined) {
      throw new Error(`--maps: ${other} and ${file} would both be drawn to ${map}: rename one`);
    }
    fileOf.set(map, file);
    await checkWritable(map);
  }
}

async function scoreFiles(
  files: readonly string[],
  { model, checkpoint }: TrainedModel,
  options: ScoreOptions,
  output: Output,
): Promise<FileScore[]> {
  const { draws, seed, resize = false, maps } = options;
  const { histogram, classNames } = checkpoint;
  const label = parseClass(options.class, classNames);
  const scores: FileScore[] = [];
  output.line('bits/dim  = informative + redundant +   log-det + pixel map');
  for (const file of files) {
    const score = await scoreFile(model, histogram, file, { label, draws, seed, resize, maps });
    const { informative, redundant, logDet, pixels } = score.parts;
    const columns = [informative, redundant, logDet, pixels].map((x) => x.toFixed(4).padStart(11));
    output.line(`${score.bitsPerDim.toFixed(4).padStart(8)} ${columns.join(' ')}  ${file}`);
    if (score.map !== undefined) output.line(`         ${score.map}`);
    scores.push(score);
  }
  return scores;
}

async function compareSets(
  compare: string,
  { model, checkpoint }: TrainedModel,
  options: ScoreOptions,
  output: Output,
) {
  const { limit, seed, out } = options;
  const score = async (data: string | undefined) => {
    const whole = await loadSplitFor(checkpoint, data, 'test');
    checkShape(whole, model.config.image);
    const set = drawImages(whole, Math.min(limit, whole.count), '--limit');
    const onProgress = (done: number) =>
      output.status(`scored ${done} of ${set.count} images of "${set.name}"`);
    return scoreSet(model, checkpoint.histogram, set, { seed, onProgress });
  };
  const inside = await score(options.data);
  const outside = await score(compare);
  const area = auroc(inside.bitsPerDim, outside.bitsPerDim);
  const sets = [inside, outside].map(summarise);
  for (const { name, images, mean, low, median, high } of sets) {
    const figures = [mean, low, median, high].map((x) => x.toFixed(3));
    output.line(
      `${name.padEnd(20)} ${images} images: mean ${figures[0]} bits/dim; 5 %, 50 %, 95 %: ${figures.slice(1).join(', ')}`,
    );
  }
  output.line(
    `AUROC       ${area.toFixed(4)}: the chance that an image of "${outside.name}" has more bits/dim than one of "${inside.name}"`,
  );
  if (out !== undefined) {
    const title = `Images under a model of ${checkpoint.run.data}: AUROC ${area.toFixed(3)}`;
    await writeChart(out, comparisonChart([inside, outside], title));
    output.line(`histograms  ${out}`);
  }
  return { sets, auroc: area, ...(out === undefined ? {} : { out }) };
}

/** @throws Error unless the dataset's images are as large as the model's, with as many channels */
function checkShape(dataset: ImageDataset, image: ModelConfig['image']): void {
  const [found, wanted] = [dataset, image].map(formatImageShape);
  if (found === wanted) return;
  throw new Error(
    `the images of "${dataset.name}" are ${found}, but the model's are ${wanted}: bits/dim of different sizes do not compare`,
  );
}
