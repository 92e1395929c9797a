import { Option, type Command } from 'commander';
import { evaluate } from '../../src/evaluate.ts';
import type { Split } from '../data/load-dataset.ts';
import { withDevice } from '../device.ts';
import { histogramBaseline, printEvaluation } from '../evaluation-report.ts';
import { resolveCheckpoint, withModelOptions, type ModelOptions } from '../model-options.ts';
import { wholeNumber, withCommonOptions, type CommonOptions } from '../options.ts';
import { createOutput } from '../output.ts';
import { notePadding } from '../padding-note.ts';
import { loadSplitFor, loadTrainedModel } from '../trained-model.ts';
import { drawImages } from '../training-data.ts';

interface EvalOptions extends CommonOptions, ModelOptions {
  readonly data?: string;
  readonly split: Split;
  readonly limit?: number;
  readonly draws: number;
  readonly batch: number;
  readonly unconditional?: boolean;
}

export function addEvalCommand(program: Command): void {
  const command = withModelOptions(
    program
      .command('eval')
      .description('Measure exact bits/dim of images under a trained model, and its parts.'),
  )
    .option('--data <name|dir>', 'images to evaluate (default: the dataset of the training)')
    .addOption(new Option('--split <split>').choices(['test', 'train']).default('test'))
    .option('--limit <n>', 'evaluate this many images, drawn at random', wholeNumber(1))
    .option('--draws <n>', 'draws of the dequantisation noise for each image', wholeNumber(1), 1)
    .option('--batch <n>', 'images at once', wholeNumber(1), 250)
    .option('--unconditional', "score under no class instead of each image's own");
  withCommonOptions(command, [
    'farmer eval --checkpoint tiny',
    'farmer eval --run runs/tiny-mnist-0 --limit 1000 --draws 4',
  ]).action((options: EvalOptions) => runEval(options));
}

async function runEval(options: EvalOptions): Promise<void> {
  const { split, limit, draws, batch, seed, unconditional = false } = options;
  const output = createOutput(options);
  const path = resolveCheckpoint(options);
  await withDevice(options, output, async () => {
    const { model, checkpoint } = await loadTrainedModel(path);
    const { histogram } = checkpoint;
    const { data, config } = checkpoint.run;
    const whole = await loadSplitFor(checkpoint, options.data, split);
    const dataset = limit === undefined ? whole : drawImages(whole, limit, '--limit');
    output.line(`checkpoint  ${path}, step ${checkpoint.step}, trained on ${data}`);
    notePadding(output, config.model);
    const start = performance.now();
    const evaluation = await evaluate(model, histogram, dataset, {
      ...{ batch, draws, seed, unconditional },
      onProgress: (done) => output.status(`scored ${done} of ${dataset.count * draws}`),
    });
    const seconds = (performance.now() - start) / 1000;
    const baseline = histogramBaseline(histogram, dataset);
    printEvaluation(output, evaluation, baseline, dataset.name);
    output.result({
      ...{ command: 'eval', checkpoint: path, step: checkpoint.step, dataset: dataset.name },
      ...evaluation,
      histogram: baseline,
      seconds,
    });
  });
}
