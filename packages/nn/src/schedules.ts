/** The learning rate of a step, counted from 0. */
export type Schedule = (step: number) => number;

export interface WarmupOptions {
  readonly peak: number;
  /** The value from step `total` on. */
  readonly final: number;
  /** Steps of linear rise to `peak`; step 0 already has peak / warmup. */
  readonly warmup?: number;
  readonly total: number;
}

/** Linear warm-up, then half a cosine from `peak` to `final` (Loshchilov & Hutter 2017). */
export function cosine(options: WarmupOptions): Schedule {
  return decaying(options, (progress) => 0.5 * (1 + Math.cos(Math.PI * progress)));
}

/** Linear warm-up, then a straight line from `peak` to `final`. */
export function linear(options: WarmupOptions): Schedule {
  return decaying(options, (progress) => 1 - progress);
}

/** The same learning rate at every step after a linear warm-up. */
export function constant({ peak, warmup = 0 }: { peak: number; warmup?: number }): Schedule {
  return (step) => peak * Math.min(1, (step + 1) / Math.max(1, warmup));
}

/** @param shape falls from 1 to 0 as the progress goes from 0 to 1 */
function decaying(options: WarmupOptions, shape: (progress: number) => number): Schedule {
  const { peak, final, warmup = 0, total } = options;
  if (!(warmup >= 0 && total > warmup)) {
    throw new RangeError(`schedule: total ${total} must be greater than warmup ${warmup}`);
  }
  const rise = constant({ peak, warmup });
  return (step) => {
    if (step < warmup) return rise(step);
    const progress = Math.min(1, (step - warmup) / (total - warmup));
    return final + (peak - final) * shape(progress);
  };
}
