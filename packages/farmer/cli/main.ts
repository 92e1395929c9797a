import { CommanderError } from 'commander';
import { endOnLostOutput } from './lost-output.ts';
import { exitAfterFlush } from './exit.ts';
import { buildProgram } from './program.ts';
import { describeError } from './errors.ts';
import { outliveTerminal } from './interrupt.ts';

endOnLostOutput();
outliveTerminal();

try {
  const program = await buildProgram(process.argv[2]);
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has printed its own message, or the help.
    process.exitCode = error.exitCode;
  } else {
    process.stderr.write(`error: ${describeError(error, process.argv.includes('--debug'))}\n`);
    process.exitCode = 1;
  }
}
exitAfterFlush();
