/**
 * The kernel lab: each op's variants at each shape, checked against the float64 reference, then timed.
 *
 *     npm run bench -- --help
 */
import { CommanderError, Option, program } from 'commander';
import { tensor, WebGpuDevice, type Device } from '@farmer/tensor';
import { openAdapter, openDevice } from '@farmer/tensor/node';
import { describeError } from '../../packages/farmer/cli/errors.ts';
import { exitAfterFlush } from '../../packages/farmer/cli/exit.ts';
import { positiveNumber } from '../../packages/farmer/cli/options.ts';
import { measureCeiling } from './ceiling.ts';
import { checkVariant, chooseCases, isVariant, type Case, type Choice } from './choose.ts';
import { compareReports } from './compare.ts';
import { cells, formatShape, heads } from './markdown.ts';
import { kernelsOf, measure } from './measure.ts';
import { currentLoad, machine, readReport, writeReport, type Report } from './report.ts';

interface Options extends Choice {
  readonly device: string;
  readonly adapter?: string;
  readonly seconds: number;
  readonly out?: string;
  readonly list?: boolean;
  readonly wgsl?: boolean;
  readonly compare?: readonly string[];
}

program
  .name('npm run bench --')
  .description('Time the kernels, one variant beside the other, once they have proved right.')
  .option('--op <name>', 'one op of those that --list names (default: all)')
  .option('--variant <variant>', 'one variant: its number or name, or "selected"')
  .option('--shape <lengths>', 'one shape, such as 512,512,512; --list says what they mean')
  .addOption(
    new Option('--device <kind>', 'where to compute').choices(['webgpu', 'cpu']).default('webgpu'),
  )
  .option(
    '--adapter <choice>',
    "lavapipe, swiftshader, hardware or part of an adapter's name (default: the best there is)",
  )
  .option('--seconds <n>', 'how long to time each variant at each shape', positiveNumber, 0.5)
  .option(
    '--out <file>',
    'where the results go, as JSON and Markdown (default: benchmarks/results/ADAPTER-DATE, if all was measured)',
  )
  .option('--list', 'show ops, shapes and variants')
  .option('--wgsl', 'print the WGSL of what --op, --variant and --shape choose')
  .option('--compare <files...>', 'how many times faster the second result file is than the first')
  .allowExcessArguments(false)
  .exitOverride();

async function main(): Promise<void> {
  const options = program.parse().opts<Options>();
  if (options.compare) return compare(options.compare);
  const { device: kind, adapter, variant } = options;
  const cases = chooseCases(options);
  if (kind === 'cpu' && adapter !== undefined) throw new Error('--device cpu has no --adapter');
  const device = await openDevice(
    kind === 'cpu' ? { device: 'cpu' } : { device: 'webgpu', ...(adapter ? { adapter } : {}) },
  );
  if (variant !== undefined) checkVariant(variant, cases[0]!, device);
  if (options.list) list(cases, device);
  else if (options.wgsl) printWgsl(cases, device, options);
  else await run(cases, device, options);
  device.destroy();
}

function compare(files: readonly string[]): void {
  if (files.length !== 2) throw new Error(`--compare wants two files, got ${files.length}`);
  const [a, b] = files.map(readReport);
  console.log(compareReports(a!, b!));
}

function list(cases: readonly Case[], device: Device): void {
  for (const { family, shapes } of cases) {
    const variants = family.work(shapes[0]!, device).variants.map(({ name }) => name);
    console.log(`${family.name}  [${family.axes.join(', ')}]`);
    console.log(`  shapes    ${shapes.map((shape) => shape.join(',')).join('  ')}`);
    console.log(`  variants  ${variants.join('  ')}`);
  }
}

function printWgsl(cases: readonly Case[], device: Device, { op, variant }: Options): void {
  if (!(device instanceof WebGpuDevice)) throw new Error('--wgsl: the CPU has no WGSL');
  if (op === undefined) throw new Error('--wgsl needs --op');
  const sources = new Map<string, string>();
  for (const { family, shapes } of cases) {
    for (const shape of shapes) {
      const { inputs, variants } = family.work(shape, device);
      const tensors = inputs.map(({ data, shape, dtype }) => tensor(data, shape, dtype, device));
      for (const one of variants) {
        if (variant !== undefined && !isVariant(one.name, variant)) continue;
        for (const { name, source } of kernelsOf(device, one, tensors)) {
          if (!sources.has(source)) sources.set(source, `// ${name}, ${formatShape(shape)}`);
        }
      }
      tensors.forEach((each) => each.dispose());
    }
  }
  for (const [source, title] of sources) console.log(`${title}\n${source}\n`);
}

async function run(cases: readonly Case[], device: Device, options: Options): Promise<void> {
  const { seconds, variant } = options;
  const before = currentLoad();
  const ceiling = await measureCeiling(device, seconds);
  const results: Report['results'] = [];
  console.log(
    `${device.name}: at most ${ceiling.gflops.toPrecision(3)} GFLOP/s (multiply-adds in registers), ${ceiling.gbps.toPrecision(3)} GB/s (copy)`,
  );
  for (const { family, shapes } of cases) {
    for (const shape of shapes) {
      console.log(`\n${family.name} ${formatShape(shape)}\n  ${line(heads)}`);
      const isChosen = (name: string) => variant === undefined || isVariant(name, variant);
      for await (const result of measure(device, family, shape, { seconds, isChosen })) {
        results.push({ ...result, shape: [...shape], kernels: [...result.kernels] });
        console.log(`  ${line(cells(results.at(-1)!, { ceiling }))}`);
      }
    }
  }
  await save(device, options, { load: [before, currentLoad()], ceiling, results });
  const wrong = results.filter((result) => result.wrong !== undefined);
  if (wrong.length > 0) throw new Error(`${wrong.length} results are wrong`);
}

/** Writes a run that measured all, or one whose `--out` says where. */
async function save(
  device: Device,
  { op, out, seconds, adapter: choice }: Options,
  measured: Pick<Report, 'load' | 'ceiling' | 'results'>,
): Promise<void> {
  const { adapter, driver } = await describeAdapter(device, choice);
  const facts = machine();
  const day = facts.date.slice(0, 10);
  const path = out ?? (op === undefined ? `benchmarks/results/${adapter}-${day}` : undefined);
  if (path === undefined) return;
  const command = ['npm run bench --', ...process.argv.slice(2)].join(' ');
  const about = { command, adapter, device: device.name, driver, ...facts, seconds };
  console.log(`\nwrote ${writeReport(path, { ...about, ...measured }).join(' and ')}`);
}

const line = ([name, ...columns]: readonly string[]): string => {
  const kernels = columns.length === heads.length - 1 ? columns.pop() : undefined;
  const numbers = columns.map((column, i) => column.padStart(heads[i + 1]!.length));
  return [name!.padEnd(24), ...numbers, kernels ?? ''].join('  ').trimEnd();
};

async function describeAdapter(device: Device, choice: string | undefined) {
  if (device.kind === 'cpu') return { adapter: 'cpu', driver: 'WebAssembly' };
  const { kind, driver } = await openAdapter(choice === undefined ? {} : { choice });
  return { adapter: kind, driver };
}

try {
  await main();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode;
  else {
    process.stderr.write(`error: ${describeError(error, false)}\n`);
    process.exitCode = 1;
  }
}
exitAfterFlush();
