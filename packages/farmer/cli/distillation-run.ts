import { z } from 'zod';
import { ConfigError } from '../src/config.ts';
import { parseDistillationConfig, type DistillationConfig } from '../src/distill-config.ts';
import type { TrainingData } from './training-data.ts';

/** Everything that decides what a distillation computes. */
export interface DistillationRun extends TrainingData {
  /** Path of the teacher's checkpoint. */
  readonly teacher: string;
  readonly seed: number;
  readonly distillation: DistillationConfig;
}

const schema = z.strictObject({
  teacher: z.string(),
  data: z.string(),
  trainImages: z.int().min(1).optional(),
  seed: z.int().min(0),
  distillation: z.unknown(),
});

/**
 * Checks a distillation's saved configuration.
 * @param source names it in errors
 */
export function parseDistillationRun(value: unknown, source: string): DistillationRun {
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    throw new ConfigError(
      `${source}: ${[...path, message].join(': ')} (this is no configuration of a distillation)`,
    );
  }
  const distillation = parseDistillationConfig(parsed.data.distillation, `${source}: distillation`);
  return { ...parsed.data, distillation };
}
