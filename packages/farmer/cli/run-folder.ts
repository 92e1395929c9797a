import { existsSync } from 'node:fs';
import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TrainingMetrics } from '../src/trainer.ts';
import { configDifferences } from './config-overrides.ts';
import { writeFileAtomic } from './files/atomic-write.ts';
import { parseRunConfig, readJson, type RunConfig } from './run-config.ts';

/** The folder of a training run. */
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

  samples(step: number): string {
    return join(this.path, 'samples', `step-${String(step).padStart(6, '0')}.png`);
  }

  hasCheckpoint(): boolean {
    return existsSync(this.checkpoint);
  }

  /** The configuration of the run that the folder holds; undefined in a new folder. */
  async readConfig(): Promise<RunConfig | undefined> {
    if (!existsSync(this.config)) return undefined;
    return parseRunConfig(await readJson(this.config), this.config);
  }

  async writeConfig(run: RunConfig): Promise<void> {
    await writeFileAtomic(this.config, `${JSON.stringify(run, undefined, 2)}\n`);
  }

  /** @throws Error naming what differs, when the folder's checkpoint belongs to another run */
  checkSameRun(saved: RunConfig, wanted: RunConfig): void {
    const differences = configDifferences(saved, wanted);
    if (differences.length === 0) return;
    const shown = differences.slice(0, 4).join('; ') + (differences.length > 4 ? '; …' : '');
    throw new Error(
      `${this.path} holds a checkpoint of another run (${shown}): choose another --run, or give --run ${this.path} alone to go on with it`,
    );
  }

  /** Adds one line; a figure that is not finite becomes null. */
  async appendMetrics(metrics: TrainingMetrics): Promise<void> {
    await appendFile(this.metrics, `${JSON.stringify(metrics)}\n`);
  }

  /** Drops what was logged after `step`, which a resumed run does again. */
  async truncateMetrics(step: number): Promise<void> {
    if (!existsSync(this.metrics)) return;
    const lines = (await readFile(this.metrics, 'utf8')).split('\n');
    const kept = lines.filter((line) => (loggedStep(line) ?? Infinity) <= step);
    await writeFileAtomic(this.metrics, kept.map((line) => `${line}\n`).join(''));
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
