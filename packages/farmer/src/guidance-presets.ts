import { exactResampling, type ResamplingGuidance } from './guidance-resampling.ts';

const published = (
  weight: number,
  scale: number,
  weighingLogitScale: number,
  weighingScale: number,
): ResamplingGuidance => ({
  ...exactResampling,
  ...{ weight, scale, weighingLogitScale, weighingScale, sharpness: 1.1 },
});

/** Table 6: s_c = s_u = 5, T_s = 1.1 and T_π = 1 in all. Redundant pools are larger; their size is our choice. */
export const guidancePresets = {
  'farmer-1.1b': published(2.5, 0.9, 0.2, 0.9),
  'farmer-1.1b-patch8': published(2.0, 1.0, 0.2, 0.9),
  'farmer-1.9b': published(3.5, 0.9, 0.2, 0.9),
  'farmer-1.9b-patch8': published(1.5, 1.0, 0.1, 1.0),
} satisfies Record<string, ResamplingGuidance>;
