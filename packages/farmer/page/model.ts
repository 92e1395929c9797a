import { philoxUniforms, RandomStream, scope, type Tensor } from '@farmer/tensor';
import { decodeSafetensors } from '@farmer/nn';
import {
  classPosterior,
  Farmer,
  pixelMap,
  sampleLatents,
  scoreTokens,
  scoringMap,
  smoothCounts,
  type ModelConfig,
  type PixelHistogram,
  type SamplingOptions,
} from '../src/index.ts';

/** What the server says of the model, in the file's metadata. */
interface About {
  readonly name: string;
  readonly model: ModelConfig;
  readonly classNames: readonly string[];
}

/** A model with all that drawing and reading take. */
export interface PageModel {
  readonly name: string;
  readonly classNames: readonly string[];
  readonly farmer: Farmer;
  readonly histogram: PixelHistogram;
}

/** Fetches the model onto the default device. */
export async function fetchModel(url: string): Promise<PageModel> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
  const { tensors, metadata } = decodeSafetensors(
    new Uint8Array(await response.arrayBuffer()),
    url,
  );
  const { name, model: config, classNames } = JSON.parse(metadata['about']!) as About;
  const counts = Uint32Array.from(tensors.get('counts')!.data);
  const weights = [...tensors].flatMap(([key, tensor]) =>
    key.startsWith('model.') ? [[key.slice('model.'.length), tensor] as const] : [],
  );
  const farmer = new Farmer(config, 0);
  farmer.loadStateDict(new Map(weights), url);
  return { name, classNames, farmer, histogram: smoothCounts(config.image, counts) };
}

/**
 * Draws images, and shows how each came about: Z, then what each block of the flow's inverse makes of it, and last the
 * image itself, all as bytes [B, H, W, C].
 */
export async function drawPath(
  { farmer, histogram }: PageModel,
  classes: readonly number[],
  seed: number,
  options: SamplingOptions,
): Promise<Uint8Array[]> {
  const random = new RandomStream(seed);
  const labels = farmer.labels(classes);
  const stages = scope(() => {
    const latents: Tensor[] = [farmer.join(sampleLatents(farmer, labels, random, options))];
    for (const block of farmer.flow.blocks.toReversed())
      latents.push(block.inverse(latents.at(-1)!));
    return latents.map((latent) => farmer.images(latent));
  });
  const pixels = pixelMap(farmer.config, histogram, 0);
  const images: Uint8Array[] = [];
  for (const stage of stages) images.push(pixels.inverse(await stage.data()));
  [...stages, labels, random].forEach((each) => each.dispose());
  return images;
}

/** What the model says of one image. */
export interface Reading {
  /** p(class | image), all classes being as likely before. */
  readonly posterior: Float64Array;
  /** The most probable class. */
  readonly best: number;
  /** Under that class. */
  readonly bitsPerDim: number;
  /** Bits per dimension of each token under that class, in raster order. */
  readonly tokens: Float64Array;
}

/** @param image bytes [H, W, C] */
export async function readImage(
  { farmer, histogram }: PageModel,
  image: Uint8Array,
): Promise<Reading> {
  const { tokens, values, imageValues } = farmer.dimensions;
  const classes = farmer.config.classes;
  // The same noise for each class: what is left between them is the class alone.
  const noise = repeat(philoxUniforms(1, 0, 0, values), classes);
  const images = repeat(image, classes);
  const labels = Array.from({ length: classes }, (_, label) => label);
  const map = scoringMap(farmer.config, histogram);
  const scored = { pixels: Uint8Array.from(images), noise, labels };
  const { total } = await scoreTokens(farmer, map, scored);
  const rows = labels.map((label) => total.subarray(label * tokens, (label + 1) * tokens));
  const bits = rows.map((row) => row.reduce((a, b) => a + b, 0) / tokens);
  const posterior = classPosterior(bits, imageValues);
  const best = posterior.indexOf(Math.max(...posterior));
  return { posterior, best, bitsPerDim: bits[best]!, tokens: rows[best]! };
}

function repeat(values: ArrayLike<number>, times: number): Float32Array {
  return Float32Array.from({ length: values.length * times }, (_, i) => values[i % values.length]!);
}
