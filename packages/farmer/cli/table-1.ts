import { parameterCounts } from '../src/budget.ts';
import { paperPresets } from '../src/paper-presets.ts';

/** Table 1's parameter counts, and what ours say of them. */
const table = {
  'farmer-1.1b': {
    flow: '828M',
    ar: '295M',
    note: "The table's flow is that of patch 8 (828.28M without the norm at each block's end), its AR model that of patch 16 (294.7M for the layers and both heads).",
  },
  'farmer-1.9b': {
    flow: '1.4B',
    ar: '498M',
    note: "The table's flow fits both patches; its AR model fits no head that the paper states.",
  },
} as const;

/** Table 1 beside our counts, for a preset that is one of the paper's models; otherwise nothing. */
export function compareWithTable1(preset: string): string[] {
  const name = preset.replace(/-patch8$/, '') as keyof typeof table;
  if (!Object.hasOwn(table, name)) return [];
  const paper = table[name];
  const patch16 = parameterCounts(paperPresets[name].model);
  const patch8 = parameterCounts(paperPresets[`${name}-patch8`].model);
  const row = (cells: readonly string[]) =>
    `  ${cells[0]!.padEnd(10)}${cells
      .slice(1)
      .map((cell) => cell.padStart(16))
      .join('')}`;
  return [
    'table 1',
    row(['', 'paper', 'ours, patch 16', 'ours, patch 8']),
    row(['flow', paper.flow, millions(patch16.flow), millions(patch8.flow)]),
    row(['AR model', paper.ar, millions(patch16.ar), millions(patch8.ar)]),
    `  ${paper.note}`,
  ];
}

const millions = (n: number): string => `${(n / 1e6).toFixed(2)}M`;
