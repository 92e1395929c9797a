import { spawn, type ChildProcess, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface CliResult {
  /** null when a signal ended the process. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const main = ['--import', 'tsx', 'packages/farmer/cli/main.ts'];

/** Starts the command line in one process, which signals reach directly. */
export function startCli(args: readonly string[]): {
  process: ChildProcessWithoutNullStreams;
  result: Promise<CliResult>;
} {
  const child = spawn(process.execPath, [...main, ...args], { cwd: root });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const result = new Promise<CliResult>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { process: child, result };
}

/**
 * Starts the command line in a terminal of its own. Killing the returned process closes the terminal.
 * @param codeFile gets the exit code of the command line
 */
export function startInTerminal(args: readonly string[], codeFile: string): ChildProcess {
  const words = [process.execPath, ...main, ...args].map((word) => `'${word}'`);
  // The shell outlives the terminal.
  const command = `trap '' HUP; ${words.join(' ')}; echo $? > '${codeFile}.tmp'; mv '${codeFile}.tmp' '${codeFile}'`;
  return spawn('script', ['-qec', command, '/dev/null'], { cwd: root });
}

export function runCli(...args: string[]): Promise<CliResult> {
  return startCli(args).result;
}

/** @throws Error with the command's output unless it succeeds */
export async function runCliWell(...args: string[]): Promise<CliResult> {
  const result = await runCli(...args);
  if (result.code !== 0) {
    throw new Error(
      `farmer ${args.join(' ')} ended with ${result.code}:\n${result.stdout}${result.stderr}`,
    );
  }
  return result;
}
