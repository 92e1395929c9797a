import type { SamplingOptions } from '../../src/sampler.ts';

/** How the images of each model are drawn, by name. */
export const guidances: Readonly<Record<string, SamplingOptions>> = { none: {} };
