import { CommanderError } from 'commander';
import { exitAfterFlush } from './exit.ts';
import { buildProgram } from './program.ts';
import { describeError } from './errors.ts';

// A reader that has seen enough (`farmer data | head`) ends the program quietly.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

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
