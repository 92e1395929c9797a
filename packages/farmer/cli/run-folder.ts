import { existsSync } from 'node:fs';
import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StepMetrics } from '../src/captured-training.ts';
import { describeDifferences } from './config-overrides.ts';
import { writeFileAtomic } from './files/atomic-write.ts';
import { describeWriteError } from './files/write-error.ts';
import { parseRunConfig, readJson, type RunConfig } from './run-config.ts';
import { shellWord } from './shell-word.ts';

/** The folder of a run that trains a model or a classifier, or distils a student. */
export class RunFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  get checkpoint(): string {
    return join(this.path, 'checkpoint.safetensors');
  }

  get config(): string {
    return join(this.path, 'config.json');
  }

  get metrics(): string {
    return join(this.path, 'metrics.jsonl');
  }

  get samplesFolder(): string {
    return join(this.path, 'samples');
  }

  samples(step: number): string {
    return join(this.samplesFolder, `step-${String(step).padStart(6, '0')}.png`);
  }

  hasCheckpoint(): boolean {
    return existsSync(this.checkpoint);
  }

  /** The configuration of the run that the folder holds; undefined in a new folder. */
  readConfig(): Promise<RunConfig | undefined> {
    return this.readConfigAs(parseRunConfig);
  }

  /** @param parse checks the file's content; `source` names it in errors */
  async readConfigAs<Run>(
    parse: (value: unknown, source: string) => Run,
  ): Promise<Run | undefined> {
    if (!existsSync(this.config)) return undefined;
    return parse(await readJson(this.config), this.config);
  }

  async writeConfig(run: object): Promise<void> {
    await writeFileAtomic(this.config, `${JSON.stringify(run, undefined, 2)}\n`);
  }

  /**
   * @param remedy what to do then, as the end of a sentence
   * @throws Error naming what differs, when the folder's checkpoint belongs to another run
   */
  checkSameRun(
    saved: unknown,
    wanted: object,
    remedy = `choose another --run, or give --run ${shellWord(this.path)} alone to go on with it`,
  ): void {
    const differences = describeDifferences(saved, wanted);
    if (differences === '') return;
    throw new Error(`${this.path} holds a checkpoint of another run (${differences}): ${remedy}`);
  }

  /** Adds one line; a figure that is not finite becomes null. */
  async appendMetrics(metrics: StepMetrics): Promise<void> {
    const line = `${JSON.stringify(metrics)}\n`;
    await appendFile(this.metrics, line).catch((error: unknown) => {
      throw new Error(describeWriteError(this.metrics, line.length, error), { cause: error });
    });
  }

  /** Drops what was logged after `step`, which a resumed run does again. A finished run may lie where nothing can be written. */
  async truncateMetrics(step: number): Promise<void> {
    if (!existsSync(this.metrics)) return;
    const before = await readFile(this.metrics, 'utf8');
    const kept = before.split('\n').filter((line) => (loggedStep(line) ?? Infinity) <= step);
    const after = kept.map((line) => `${line}\n`).join('');
    if (after !== before) await writeFileAtomic(this.metrics, after);
  }
}

/** The step of a line; undefined for one that a killed process left half-written. */
function loggedStep(line: string): number | undefined {
  try {
    const { step } = JSON.parse(line) as { step?: unknown };
    return typeof step === 'number' ? step : undefined;
  } catch {
    return undefined;
  }
}
