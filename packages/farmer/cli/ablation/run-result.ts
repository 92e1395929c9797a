import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { configDifferences } from '../config-overrides.ts';
import { writeFileAtomic } from '../files/atomic-write.ts';
import type { RunFolder } from '../run-folder.ts';

/** What a run's figures depend on beside its weights. */
const measuringSchema = z.strictObject({
  testImages: z.int(),
  draws: z.int(),
  samples: z.int(),
  reference: z.int(),
  /** Hash of the classifier's file. */
  classifier: z.string(),
});

// A figure that is not finite is null in JSON.
const figure = z
  .number()
  .nullable()
  .transform((value) => value ?? NaN);

const drawnSchema = z.union([
  z.strictObject({
    frechetDistance: figure,
    inceptionScore: figure,
    precision: figure,
    recall: figure,
    classAccuracy: figure,
    /** Of the drawing, an image. */
    seconds: z.number(),
  }),
  /** Why no images could be drawn. */
  z.strictObject({ failure: z.string() }),
]);

const resultSchema = z.strictObject({
  measuring: measuringSchema,
  row: z.string(),
  seed: z.int(),
  steps: z.int(),
  bitsPerDim: figure,
  /** Of the mean over test images. */
  standardError: figure,
  /** How images were drawn, by name. */
  guidances: z.record(z.string(), z.unknown()),
  /** The figures of the images, by the same names. */
  drawn: z.record(z.string(), drawnSchema),
});

export type Measuring = z.infer<typeof measuringSchema>;
export type Drawn = z.infer<typeof drawnSchema>;
/** The figures of one run. */
export type RunResult = z.infer<typeof resultSchema>;

const pathOf = (folder: RunFolder) => join(folder.path, 'result.json');

/** The path of the grid of images drawn with a kind of guidance. */
export const gridOf = (folder: RunFolder, guidance: string): string =>
  join(folder.path, `samples-${guidance}.png`);

/** A finished run's figures; undefined when there are none, or they were measured in another way. */
export async function readResult(
  folder: RunFolder,
  wanted: Pick<RunResult, 'measuring' | 'steps' | 'guidances'>,
): Promise<RunResult | undefined> {
  if (!existsSync(pathOf(folder))) return undefined;
  const { data } = resultSchema.safeParse(parseJson(await readFile(pathOf(folder), 'utf8')));
  if (!data) return undefined;
  const { measuring, steps, guidances } = data;
  return configDifferences({ measuring, steps, guidances }, wanted).length === 0 ? data : undefined;
}

export async function writeResult(folder: RunFolder, result: RunResult): Promise<void> {
  await writeFileAtomic(pathOf(folder), `${JSON.stringify(result, undefined, 2)}\n`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
