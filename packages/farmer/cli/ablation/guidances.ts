import { guidancePresets } from '../../src/guidance-presets.ts';
import type { SamplingOptions } from '../../src/sampler.ts';

export type GuidanceName = 'none' | 'naive' | 'resampling';

// Table 6's settings of the model that table 3 is of.
const resampling = guidancePresets['farmer-1.1b'];
// As strong, with as many candidates of an informative token.
const tries = resampling.conditional + resampling.unconditional;

/** How images are drawn, by name. */
export const guidances: Readonly<Record<GuidanceName, SamplingOptions>> = {
  none: {},
  naive: { guidance: { kind: 'naive', weight: resampling.weight, tries } },
  resampling: { guidance: resampling },
};
