import { Option, type Command } from 'commander';
import { axisLabels, readCurve, topAfterStart, type CurveAxis } from '../curves.ts';
import { checkChartPath, lineChart, writeChart } from '../files/chart.ts';
import { positiveNumber, withOutputOptions, type OutputOptions } from '../options.ts';
import { createOutput } from '../output.ts';

interface CurveOptions extends OutputOptions {
  readonly out: string;
  readonly x: CurveAxis;
  readonly log?: boolean;
  readonly top?: number;
  readonly title: string;
}

export function addCurveCommand(program: Command): void {
  const command = program
    .command('curve')
    .description('Draw the bits/dim that training runs logged, as one chart.')
    .argument('<run...>', "runs' folders")
    .option('--out <file>', 'the PNG or SVG to write', 'curve.png')
    .addOption(
      new Option('--x <axis>', 'what the curves run over')
        .choices(Object.keys(axisLabels))
        .default('steps'),
    )
    .option('--log', 'a logarithmic axis, for runs of very different lengths')
    .option(
      '--top <x>',
      'cut the chart off there (default: highest after 5 % of a run)',
      positiveNumber,
    )
    .option('--title <text>', 'heading of the chart', 'bits/dim of training batches');
  withOutputOptions(command, [
    'farmer curve runs/tiny-mnist-0 --out curve.png',
    'farmer curve runs/tiny-mnist-0 runs/small-mnist-0 --x tflop --log --out sizes.svg',
  ]).action((runs: string[], options: CurveOptions) => drawCurves(runs, options));
}

async function drawCurves(
  runs: readonly string[],
  { out, x, log, top, title, ...common }: CurveOptions,
): Promise<void> {
  const output = createOutput(common);
  await checkChartPath(out);
  const curves = await Promise.all(runs.map((run) => readCurve(run, x)));
  const svg = lineChart(curves, {
    ...{ title, x: axisLabels[x], y: 'bits/dim', isLog: log },
    top: top ?? topAfterStart(curves),
  });
  await writeChart(out, svg);
  output.line(`chart       ${out}`);
  output.result({
    ...{ command: 'curve', out, x },
    curves: curves.map(({ name, points }) => ({ name, points: points.length, ...points.at(-1) })),
  });
}
