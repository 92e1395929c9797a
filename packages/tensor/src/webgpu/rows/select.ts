import { fixedSubgroupSize, type WebGpuCapabilities } from '../kernel.ts';
import type { RowVariant } from './variant.ts';

/** The variants of a kind of row kernels, and which of them serves `rows` rows of `length` elements. */
export interface RowTable {
  variants(capabilities: WebGpuCapabilities, length: number): RowVariant[];
  select(capabilities: WebGpuCapabilities, length: number, rows: number): RowVariant;
}

const barriers = (number: number, lanes: number): RowVariant => ({
  name: `${number}-barriers-${lanes}`,
  ...{ lanes, workgroup: lanes, subgroup: 0 },
});

// The lab's 1 is a kernel for each step.
const laneARow: RowVariant = { name: '2-lane-a-row', lanes: 1, workgroup: 64, subgroup: 0 };
/** A workgroup a row, whose lanes meet in a tree of barriers. */
export const barriers64 = barriers(3, 64);
const barriers256 = barriers(4, 256);
const subgroups256 = (subgroup: number): RowVariant => ({
  name: '5-subgroups-256',
  ...{ lanes: 256, workgroup: 256, subgroup },
});
/** A subgroup a row. */
export const oneSubgroup = (subgroup: number): RowVariant => ({
  name: '6-one-subgroup',
  ...{ lanes: subgroup, workgroup: subgroup, subgroup },
});

/** Under this length, a software adapter has a lane for each row: what lanes share costs more than they save. */
const shortRow = 256;
/** Fewer rows leave most lanes idle then, and one lane's long sum rounds more than the sums of several do. */
const manyRows = 64;
/** From this length on, a GPU has a larger workgroup for each row. */
const longRow = 2048;

/** Every variant of the kernels of whole rows (softmax, norms, reductions) that runs on this adapter. */
export function rowVariants(capabilities: WebGpuCapabilities): RowVariant[] {
  const size = fixedSubgroupSize(capabilities);
  return [
    laneARow,
    barriers64,
    barriers256,
    ...(size ? [subgroups256(size), oneSubgroup(size)] : []),
  ];
}

/**
 * The selection table of kernels of whole rows. "Fixed" is an adapter whose subgroups are all of one size.
 *
 * | adapter         | row                        | variant           |
 * | --------------- | -------------------------- | ----------------- |
 * | software        | under 256, of 64 and more  | 2, lane a row     |
 * | software, fixed | other                      | 6, one subgroup   |
 * | hardware, fixed | under 2048                 | 6, one subgroup   |
 * | hardware, fixed | from 2048 on               | 5, subgroups, 256 |
 * | other           | under 2048                 | 3, barriers, 64   |
 * | other           | from 2048 on               | 4, barriers, 256  |
 */
export function selectRows(
  capabilities: WebGpuCapabilities,
  length: number,
  rows: number,
): RowVariant {
  const isSoftware = capabilities.adapterKind === 'software';
  if (isSoftware && length < shortRow && rows >= manyRows) return laneARow;
  const size = fixedSubgroupSize(capabilities);
  const isLong = length >= longRow;
  if (!size) return isLong ? barriers256 : barriers64;
  return isLong && !isSoftware ? subgroups256(size) : oneSubgroup(size);
}

/** True where a reduction of a row of `length` is faster by one of these variants than as a column, an invocation each. */
export function prefersRows(capabilities: WebGpuCapabilities, length: number): boolean {
  if (capabilities.adapterKind === 'hardware') return length > 32;
  return fixedSubgroupSize(capabilities) !== undefined && length > 16;
}

/** Kernels of whole rows. Their bodies leave at a row past the last one, so that a workgroup has one row, or lanes have. */
export const wholeRows: RowTable = { variants: rowVariants, select: selectRows };

/** Several short rows a workgroup, each with as many lanes as it has steps, up to the whole workgroup. */
function lanesShareARow(length: number): RowVariant {
  const workgroup = 64;
  let lanes = 2;
  while (lanes < workgroup && lanes < length) lanes *= 2;
  return { name: '1-lanes-share-a-row', lanes, workgroup, subgroup: 0 };
}

/** Every variant of the kernels of short rows (the flow's map, mixtures), `length` steps each; any adapter runs them. */
export function shortRowVariants(length: number): RowVariant[] {
  return [lanesShareARow(length), laneARow];
}

/** Software adapters give each invocation a row of its own: their barriers cost more than the idle lanes save. */
export function selectShortRows({ adapterKind }: WebGpuCapabilities, length: number): RowVariant {
  if (adapterKind === 'software') return laneARow;
  return length > 1 ? lanesShareARow(length) : laneARow;
}

/** Kernels whose bodies guard each row, so that a workgroup may have several. */
export const shortRows: RowTable = {
  variants: (_, length) => shortRowVariants(length),
  select: selectShortRows,
};
