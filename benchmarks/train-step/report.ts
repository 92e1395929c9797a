import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { tableRow } from '../lab/markdown.ts';
import { byFamily, totalOf, type FamilyTime } from './families.ts';
import type { Measurement } from './measure.ts';

/** What was measured, on what. */
export interface StepReport {
  readonly command: string;
  readonly preset: string;
  readonly adapter: string;
  readonly device: string;
  readonly node: string;
  readonly processor: string;
  readonly date: string;
  /** Load average over one minute, before and after. */
  readonly load: readonly [number, number];
  readonly steps: number;
  readonly dispatches: number;
  readonly dispatchCost: Measurement['dispatchCost'];
  /** Milliseconds of the fastest step by the clock, the least sum of a step's kernels, and their ratio. */
  readonly wall: number;
  readonly kernels: number;
  readonly busy: number;
  /** Of each kernel's fastest run. */
  readonly families: readonly FamilyTime[];
}

/**
 * The least of a measurement, since whatever else runs on the machine only adds: the fastest step, the one whose
 * kernels add up to least, and each kernel's fastest run.
 */
export function summarize({ steps, dispatches, dispatchCost }: Measurement) {
  const least = steps[0]!.parts.map(({ name }, i) => ({
    name,
    milliseconds: Math.min(...steps.map(({ parts }) => parts[i]!.milliseconds)),
  }));
  const wall = Math.min(...steps.map((step) => step.wall));
  const kernels = Math.min(...steps.map(({ parts }) => totalOf(parts)));
  return {
    ...{ steps: steps.length, dispatches, dispatchCost },
    ...{ wall, kernels, busy: kernels / wall },
    families: byFamily(least),
  };
}

/** Writes `STEM.json` and `STEM.md`. */
export function writeStepReport(stem: string, report: StepReport): void {
  mkdirSync(dirname(stem), { recursive: true });
  writeFileSync(`${stem}.json`, `${JSON.stringify(report, null, 1)}\n`);
  writeFileSync(`${stem}.md`, stepMarkdown(report));
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

export function stepMarkdown(report: StepReport): string {
  const { preset, adapter, device, dispatches, dispatchCost, wall, kernels, busy } = report;
  const { command, date, node, processor, load, steps, families } = report;
  return [
    `# A training step of the preset ${preset} on ${adapter}`,
    '',
    `- Run: \`${command}\`, ${date}, the least of ${steps} steps`,
    `- Device: ${device}`,
    `- Node ${node}, ${processor}, load average ${load.map((value) => value.toFixed(1)).join(' before, ')} after`,
    `- A step: ${wall.toFixed(1)} ms by the clock, ${dispatches} commands; its kernels add up to ${kernels.toFixed(1)} ms, ${percent(busy)} of the clock's time`,
    `- Main thread, a dispatch: ${dispatchCost.encode.toFixed(1)} µs to encode and ${dispatchCost.submit.toFixed(1)} µs to submit`,
    '',
    tableRow(['family', 'ms', 'share', 'calls', 'its longest, ms']),
    tableRow(['---', '---:', '---:', '---:', '---']),
    ...families.map(({ family, milliseconds, share, count, kernels: own }) =>
      tableRow([
        family,
        milliseconds.toFixed(2),
        percent(share),
        String(count),
        own
          .slice(0, 3)
          .map((kernel) => `${kernel.name} ${kernel.milliseconds.toFixed(2)} (${kernel.count})`)
          .join(', '),
      ]),
    ),
    '',
  ].join('\n');
}
