import type { ModelConfig } from '../../src/config.ts';
import { dimensions } from '../../src/dimensions.ts';
import { nearestMatch } from '../../src/nearest-match.ts';
import type { GuidanceName } from './guidances.ts';

/** A figure of the paper (arXiv 2510.23588), on ImageNet 256 × 256 with FARMER-1.1B. */
export interface PaperFigure {
  /** Fréchet distance of Inception features. */
  readonly fid: number;
  readonly inceptionScore?: number;
  readonly source: string;
  /** The figure that the paper compares it with. */
  readonly against: {
    readonly row: string;
    readonly guidance: GuidanceName;
    readonly fid: number;
  };
}

/** One model of the ablation. */
export interface AblationRow {
  readonly title: string;
  /** What differs from the full model. */
  readonly change: (model: ModelConfig) => Partial<ModelConfig>;
  /** Ways to draw images beside plain sampling. */
  readonly guided?: readonly GuidanceName[];
  readonly paper?: Partial<Readonly<Record<GuidanceName, PaperFigure>>>;
}

const withoutRepeat = { conditionRepeat: 1 };
const withoutPermutation = { finalPermutation: false };
/** All channels are informative: N predictions of d channels, and no redundant part. */
const withoutReduction = (model: ModelConfig) => ({
  informativeChannels: dimensions(model).channels,
});

/** The rows of tables 3 and 4, the comparison of the redundant part's models, and choices of this project, by name. */
export const rows: Readonly<Record<string, AblationRow>> = {
  full: {
    title: 'full model',
    change: () => ({}),
    guided: ['naive', 'resampling'],
    paper: {
      naive: {
        ...{ fid: 8.66, inceptionScore: 233.84, source: 'table 3' },
        against: { row: 'full', guidance: 'resampling', fid: 5.67 },
      },
      resampling: {
        ...{ fid: 5.67, inceptionScore: 215.53, source: 'table 3' },
        against: { row: 'full', guidance: 'none', fid: 44.56 },
      },
    },
  },
  'no-final-permutation': {
    title: 'no final permutation',
    change: () => withoutPermutation,
    paper: table3(45.34, 33.87, 'full', 44.56),
  },
  'no-condition-repeat': {
    title: 'no condition repeat',
    change: () => withoutRepeat,
    paper: table3(45.69, 33.73, 'full', 44.56),
  },
  neither: {
    title: 'no repeat, no permutation',
    change: () => ({ ...withoutRepeat, ...withoutPermutation }),
    paper: table3(49.29, 30.61, 'full', 44.56),
  },
  bare: {
    title: 'no repeat, no permutation, no dimension reduction',
    change: (model) => ({
      ...{ ...withoutRepeat, ...withoutPermutation },
      ...withoutReduction(model),
    }),
    paper: table3(61.17, 22.1, 'neither', 49.29),
  },
  'no-dimension-reduction': {
    title: 'no dimension reduction',
    change: withoutReduction,
  },
  'independent-gaussian': {
    title: 'redundant part N(0, I)',
    change: () => ({ redundantPrior: 'independent-gaussian' }),
    guided: ['resampling'],
    paper: {
      resampling: {
        ...{ fid: 7.81, inceptionScore: 182.87, source: 'ablations' },
        against: { row: 'full', guidance: 'resampling', fid: 5.67 },
      },
    },
  },
  jet: {
    title: 'Jet flow',
    change: ({ flow }) => ({ flow: { ...flow, kind: 'jet' } }),
    guided: ['resampling'],
    paper: {
      resampling: {
        ...{ fid: 106.23, source: 'table 4' },
        against: { row: 'full', guidance: 'resampling', fid: 5.55 },
      },
    },
  },
  tarflow: {
    title: 'plain TARFlow: prior N(0, I)',
    change: () => ({ prior: 'gaussian' }),
  },
  'pixels-uniform': {
    title: 'raw pixels, uniform noise',
    change: () => ({ pixels: 'uniform' }),
  },
  'pixels-gaussian': {
    title: 'raw pixels, Gaussian noise',
    change: () => ({ pixels: 'gaussian' }),
  },
};

/** How images are drawn from a row's models, plain sampling first. */
export function waysToDraw(row: string): readonly GuidanceName[] {
  return ['none', ...(rows[row]!.guided ?? [])];
}

/** A figure without guidance, and the one that it is compared with. */
function table3(fid: number, inceptionScore: number, row: string, of: number) {
  const against = { row, guidance: 'none', fid: of } as const;
  return { none: { fid, inceptionScore, source: 'table 3', against } };
}

/**
 * The rows that a list such as "full,jet" names, in the table's order.
 * @throws Error for an unknown name, with the nearest one
 */
export function parseRows(list: string): string[] {
  const known = Object.keys(rows);
  const wanted = list
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean);
  for (const name of wanted) {
    if (known.includes(name)) continue;
    const near = nearestMatch(name, known);
    throw new Error(
      `--rows: unknown row "${name}"${near ? `; did you mean "${near}"?` : ''} (there are ${known.join(', ')})`,
    );
  }
  if (wanted.length === 0) throw new Error(`--rows names no row: there are ${known.join(', ')}`);
  return known.filter((name) => wanted.includes(name));
}
