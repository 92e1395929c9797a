import { z } from 'zod';
import { configSchema, type TrainingConfig } from './config.ts';
import { ConfigError, parseSchema } from './parse-schema.ts';

const distillationSchema = configSchema.shape.training
  .omit({ labelDropout: true, noise: true, recompute: true })
  .extend({
    attention: z.enum(['bidirectional', 'causal']),
    /** Largest s of the noise on Zⁿ, in units of each channel's standard deviation. */
    latentNoise: z.number().min(0),
  });

/** How a student is distilled. */
export type DistillationConfig = z.infer<typeof distillationSchema>;

/**
 * A distillation like the teacher's own training, for another number of steps; the paper's 60 epochs on top of 280
 * are a share of 0.21.
 */
export function distillationConfig(
  training: TrainingConfig,
  changes: Partial<DistillationConfig> = {},
): DistillationConfig {
  const { peakLearningRate, finalLearningRate, betas, weightDecay, clip, batch } = training;
  const steps = changes.steps ?? Math.ceil(0.21 * training.steps);
  return {
    ...{ steps, batch, peakLearningRate, finalLearningRate, betas, weightDecay, clip },
    warmup: Math.min(training.warmup, Math.floor(steps / 10)),
    ...{ attention: 'bidirectional', latentNoise: 0.3 },
    ...changes,
  };
}

/**
 * Checks a distillation's configuration.
 * @param source names it in errors
 * @throws ConfigError naming the first offending key, with the nearest known one
 */
export function parseDistillationConfig(value: unknown, source: string): DistillationConfig {
  const config = parseSchema(distillationSchema, value, source);
  const { warmup, steps } = config;
  if (warmup >= steps)
    throw new ConfigError(`${source}: warmup ${warmup} is not less than steps ${steps}`);
  return config;
}
