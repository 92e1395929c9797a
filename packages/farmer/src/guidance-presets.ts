import { exactResampling, type ResamplingGuidance } from './guidance-resampling.ts';
import { nearestMatch } from './nearest-match.ts';

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
  /** Algorithm 1 with all temperatures 1. */
  exact: exactResampling,
} satisfies Record<string, ResamplingGuidance>;

/** @throws RangeError for an unknown name, with the nearest one */
export function guidancePreset(name: string): ResamplingGuidance {
  const names = Object.keys(guidancePresets);
  if (Object.hasOwn(guidancePresets, name)) {
    return guidancePresets[name as keyof typeof guidancePresets];
  }
  const near = nearestMatch(name, names);
  throw new RangeError(
    `unknown guidance preset "${name}"${near ? `; did you mean "${near}"?` : ''} (there are ${names.join(', ')})`,
  );
}
