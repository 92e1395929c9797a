import { attentionFamilies } from './families/attention.ts';
import { flowFamilies } from './families/flow.ts';
import { matmulFamilies } from './families/matmul.ts';
import { pointwiseFamilies } from './families/pointwise.ts';
import { rowFamilies } from './families/rows.ts';
import type { Family } from './family.ts';

/** All that the lab measures. */
export const families: readonly Family[] = [
  ...matmulFamilies,
  ...rowFamilies,
  ...attentionFamilies,
  ...flowFamilies,
  ...pointwiseFamilies,
];
