import { Command } from 'commander';
import { addAblationCommand } from './commands/ablation.ts';
import { addClassifierCommand } from './commands/classifier.ts';
import { addCurveCommand } from './commands/curve.ts';
import { addDataCommand } from './commands/data.ts';
import { addDemoCommand } from './commands/demo.ts';
import { addDistillCommand } from './commands/distill.ts';
import { addDoctorCommand } from './commands/doctor.ts';
import { addEvalCommand } from './commands/eval.ts';
import { addExportCommand } from './commands/export.ts';
import { addInfoCommand } from './commands/info.ts';
import { addMetricsCommand } from './commands/metrics.ts';
import { addSampleCommand } from './commands/sample.ts';
import { addScoreCommand } from './commands/score.ts';
import { addTrainCommand } from './commands/train.ts';

/** The command line; it throws CommanderError instead of ending the process. */
export function buildProgram(): Command {
  const program = new Command('farmer')
    .description(
      'FARMER: an invertible autoregressive flow and an autoregressive Transformer, trained together on raw pixels.',
    )
    .exitOverride()
    .showHelpAfterError('(run with --help for the options and examples)')
    .addHelpText('after', '\nStart with `farmer demo`, or `farmer doctor` to see the device.');
  addDemoCommand(program);
  addTrainCommand(program);
  addEvalCommand(program);
  addSampleCommand(program);
  addScoreCommand(program);
  addDistillCommand(program);
  addExportCommand(program);
  addMetricsCommand(program);
  addClassifierCommand(program);
  addAblationCommand(program);
  addCurveCommand(program);
  addDataCommand(program);
  addInfoCommand(program);
  addDoctorCommand(program);
  return program;
}
