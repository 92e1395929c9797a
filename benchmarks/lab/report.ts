import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { dirname } from 'node:path';
import { z } from 'zod';
import { markdown } from './markdown.ts';

const timing = z.object({
  median: z.number(),
  best: z.number(),
  gpu: z.number().optional(),
  samples: z.number(),
  repeats: z.number(),
});

const result = z.object({
  op: z.string(),
  variant: z.string(),
  shape: z.array(z.number()),
  kernels: z.array(z.string()),
  first: z.number(),
  wrong: z.string().optional(),
  timing: timing.optional(),
  gflops: z.number().optional(),
  gbps: z.number().optional(),
});

const report = z.object({
  command: z.string(),
  /** lavapipe, swiftshader, hardware, other or cpu. */
  adapter: z.string(),
  /** The device's own name, with the driver's version. */
  device: z.string(),
  driver: z.string(),
  node: z.string(),
  processor: z.string(),
  date: z.string(),
  /** Load average over one minute, before and after. */
  load: z.tuple([z.number(), z.number()]),
  /** Measured for each variant and shape. */
  seconds: z.number(),
  ceiling: z.object({ gflops: z.number(), gbps: z.number() }),
  results: z.array(result),
});

/** All of a run. */
export type Report = z.infer<typeof report>;

/** What is known of the machine, whatever is measured. */
export const machine = () => ({
  node: process.version,
  processor: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
  date: new Date().toISOString(),
});

export const currentLoad = (): number => loadavg()[0]!;

/** Writes the JSON file and a Markdown file beside it. @returns both paths */
export function writeReport(path: string, written: Report): [json: string, markdown: string] {
  const stem = path.replace(/\.(json|md)$/, '');
  mkdirSync(dirname(stem), { recursive: true });
  writeFileSync(`${stem}.json`, `${JSON.stringify(written, null, 1)}\n`);
  writeFileSync(`${stem}.md`, markdown(written));
  return [`${stem}.json`, `${stem}.md`];
}

/** @throws when the file is missing or was not written by the lab */
export function readReport(path: string): Report {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
  const parsed = report.safeParse(content);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const at = issue?.path.join('.') || 'the whole';
  throw new Error(`${path} is no result of the lab: ${at}: ${issue?.message}`);
}
