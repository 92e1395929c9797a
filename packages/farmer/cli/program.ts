import { Command } from 'commander';
import packageJson from '../package.json' with { type: 'json' };

type AddCommand = (program: Command) => void;

/** Each command's module, loaded when it is needed: the charts of some would slow the start of all. */
const commands: Readonly<Record<string, () => Promise<AddCommand>>> = {
  demo: async () => (await import('./commands/demo.ts')).addDemoCommand,
  train: async () => (await import('./commands/train.ts')).addTrainCommand,
  eval: async () => (await import('./commands/eval.ts')).addEvalCommand,
  sample: async () => (await import('./commands/sample.ts')).addSampleCommand,
  score: async () => (await import('./commands/score.ts')).addScoreCommand,
  distill: async () => (await import('./commands/distill.ts')).addDistillCommand,
  export: async () => (await import('./commands/export.ts')).addExportCommand,
  metrics: async () => (await import('./commands/metrics.ts')).addMetricsCommand,
  classifier: async () => (await import('./commands/classifier.ts')).addClassifierCommand,
  ablation: async () => (await import('./commands/ablation.ts')).addAblationCommand,
  curve: async () => (await import('./commands/curve.ts')).addCurveCommand,
  data: async () => (await import('./commands/data.ts')).addDataCommand,
  info: async () => (await import('./commands/info.ts')).addInfoCommand,
  page: async () => (await import('./commands/page.ts')).addPageCommand,
  doctor: async () => (await import('./commands/doctor.ts')).addDoctorCommand,
};

/**
 * The command line; it throws CommanderError instead of ending the process.
 * @param name the command that will run; any other word gives a program that knows them all
 */
export async function buildProgram(name = ''): Promise<Command> {
  const program = new Command('farmer')
    .description(
      'FARMER: an invertible autoregressive flow and an autoregressive Transformer, trained together on raw pixels.',
    )
    .version(packageJson.version)
    .exitOverride()
    .showHelpAfterError('(run with --help for the options and examples)')
    .addHelpText('after', '\nStart with `farmer demo`, or `farmer doctor` to see the device.');
  const names = Object.hasOwn(commands, name) ? [name] : Object.keys(commands);
  const loaded = await Promise.all(names.map((each) => commands[each]!()));
  loaded.forEach((add) => add(program));
  return program;
}
