import { z } from 'zod';
import { encodeSafetensors, SafetensorsError } from '@farmer/nn';
import { Classifier, type ClassifierConfig } from '../src/classifier.ts';
import { writeFileAtomic } from './files/atomic-write.ts';
import { readSafetensorsFile } from './files/read-safetensors.ts';

const FORMAT = 'farmer-classifier';
const VERSION = '1';

/** The largest classifier that is read. */
export const MAX_WIDTH = 4096;
export const MAX_BLOCKS = 64;

/** A file's metadata are strings: these hold JSON. */
const infoSchema = z.object({
  config: z.strictObject({
    image: z.strictObject({
      height: z.int().min(4).max(1024),
      width: z.int().min(4).max(1024),
      channels: z.int().min(1).max(4),
    }),
    classes: z.int().min(2).max(65536),
    width: z.int().min(1).max(MAX_WIDTH),
    blocks: z.int().min(0).max(MAX_BLOCKS),
  }),
  /** The dataset's name or folder. */
  data: z.string(),
  /** How the weights came to be, as a command line that makes them again. */
  command: z.string(),
  device: z.string(),
  seconds: z.number(),
  /** Share of the test images whose class it names. */
  testAccuracy: z.number(),
  testImages: z.int(),
});

/** What a classifier's file says of itself. */
export type ClassifierInfo = z.infer<typeof infoSchema>;

export async function writeClassifier(
  path: string,
  classifier: Classifier,
  info: ClassifierInfo,
): Promise<void> {
  const fields = Object.entries(info).map(([key, value]) => [key, JSON.stringify(value)] as const);
  const metadata = { format: FORMAT, version: VERSION, ...Object.fromEntries(fields) };
  await writeFileAtomic(path, encodeSafetensors(await classifier.stateDict(), metadata));
}

/**
 * Loads a classifier onto the default device.
 * @throws SafetensorsError or StateDictError naming the file and what in it does not fit
 */
export async function readClassifier(
  path: string,
): Promise<{ classifier: Classifier; info: ClassifierInfo }> {
  const { tensors, metadata } = await readSafetensorsFile(path);
  const info = parseInfo(metadata, path);
  const held = [...tensors.values()].reduce((total, { data }) => total + data.length, 0);
  checkSize(info.config, held, path);
  const classifier = new Classifier(info.config, 0);
  classifier.loadStateDict(tensors, path);
  return { classifier, info };
}

function parseInfo(metadata: Readonly<Record<string, string>>, path: string): ClassifierInfo {
  if (metadata['format'] !== FORMAT || metadata['version'] !== VERSION) {
    throw new SafetensorsError(
      `${path}: this is no classifier: its metadata need "format" "${FORMAT}" and "version" "${VERSION}"; make one with \`farmer classifier train\``,
    );
  }
  const fields = Object.keys(infoSchema.shape).map((key) => [key, parseField(metadata[key])]);
  const result = infoSchema.safeParse(Object.fromEntries(fields));
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  throw new SafetensorsError(`${path}: metadata "${issue.path.join('.')}": ${issue.message}`);
}

function parseField(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}

/** A configuration that lies must not allocate a model far larger than the file's own tensors. */
function checkSize(config: ClassifierConfig, held: number, path: string): void {
  const { image, width, blocks, classes } = config;
  const positions = (image.height / 4) * (image.width / 4);
  const least = (positions + 9 * blocks) * width ** 2 + classes * width;
  if (least > held) {
    throw new SafetensorsError(
      `${path}: its configuration describes a classifier of more than ${least} values, but its tensors hold ${held}`,
    );
  }
}
