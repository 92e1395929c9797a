import { InvalidArgumentError, type Command } from 'commander';

/** Options of every command that reports. */
export interface OutputOptions {
  readonly json?: boolean;
  readonly debug?: boolean;
}

/** Options of every command that computes on a device. */
export interface CommonOptions extends OutputOptions {
  readonly seed: number;
  readonly device?: string;
  readonly adapter?: string;
  readonly threads?: number;
  readonly autotune?: boolean;
}

/** --seed, of commands that draw at random. */
export function withSeedOption(command: Command): Command {
  return command.option('--seed <n>', 'seed of all randomness', wholeNumber(0), 0);
}

/** Adds `CommonOptions`, and the command's examples to its help; call it after the command's own options. */
export function withCommonOptions(command: Command, examples: readonly string[]): Command {
  withSeedOption(command)
    .option('--device <kind>', 'auto (a GPU, else the CPU), webgpu or cpu (also FARMER_DEVICE)')
    .option(
      '--adapter <choice>',
      "WebGPU adapter: auto, hardware, lavapipe, swiftshader or part of an adapter's name (also FARMER_ADAPTER)",
    )
    .option('--threads <n>', 'threads of the CPU device', wholeNumber(1))
    .option(
      '--autotune',
      'measure variants of WebGPU kernels at first use, keep the choices on disk (also FARMER_AUTOTUNE=1)',
    );
  return withOutputOptions(command, examples);
}

/** Adds `OutputOptions`, and the command's examples to its help; call it after the command's own options. */
export function withOutputOptions(command: Command, examples: readonly string[]): Command {
  command.option('--json', 'write one JSON object with the results to stdout, all else to stderr');
  return withExamples(command, examples);
}

/** What a command has of them that computes nothing: --debug, its examples, and no empty names. */
export function withExamples(command: Command, examples: readonly string[]): Command {
  for (const option of command.options) {
    if (/<(file|dir|name\|dir)>/.test(option.flags)) option.argParser(nonEmpty);
  }
  return command
    .option('--debug', 'show stack traces')
    .addHelpText('after', `\nExamples:\n${examples.map((line) => `  $ ${line}`).join('\n')}`);
}

/** Parses a whole number of at least `least`, and at most `most` if that is given. */
export function wholeNumber(least: number, most?: number): (text: string) => number {
  const range = most === undefined ? `from ${least} up` : `from ${least} to ${most}`;
  return (text) => {
    const value = Number(text);
    const isInRange = value >= least && value <= (most ?? Infinity);
    if (!/^[+-]?\d+$/.test(text.trim()) || !Number.isSafeInteger(value) || !isInRange) {
      throw new InvalidArgumentError(`Expected a whole number ${range}.`);
    }
    return value;
  };
}

/** An empty name is that of the working folder, or of a shell variable that is not set. */
function nonEmpty(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('Expected a name, got nothing.');
  return text;
}

/** Parses a finite number greater than zero. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value <= 0) {
    throw new InvalidArgumentError('Expected a number greater than 0.');
  }
  return value;
}

/** Parses a finite number from zero up. */
export function numberFromZero(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0) {
    throw new InvalidArgumentError(`Expected a number from 0 up, got "${text}".`);
  }
  return value;
}

/** Parses numbers from 0 up between commas. */
export function numberList(text: string): number[] {
  return text.split(',').map(numberFromZero);
}

/** Collects an option that may be given several times. */
export function collect(value: string, earlier: readonly string[]): string[] {
  return [...earlier, value];
}

/** Whether an option was given on the command line, be it with the value of its default. */
export function isGiven(command: Command, name: string): boolean {
  return command.getOptionValueSource(name) === 'cli';
}
