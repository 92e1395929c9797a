/** mixture.png: the density of one latent. split.png, dial.png: what informative and redundant channels hold. */
import { RandomStream, sampleGaussianMixture, scope, type Tensor } from '@farmer/tensor';
import { sampleLatents, type SplitTokens } from 'farmer';
import { lineChart, type Curve } from '../../../packages/farmer/cli/files/chart.ts';
import { imagePanel, panelFigure, type Panel } from '../../../packages/farmer/cli/files/panels.ts';
import { bytesOf, read, testImages, withTinyModel, writeFigure, type Scene } from './support.ts';

/** A zero, a two, a four, a seven and an eight of the test set. */
const DIGITS = [3, 1, 4, 0, 61];

await withTinyModel(async (scene) => {
  await drawMixture(scene);
  await drawSplit(scene);
  await drawDial(scene);
});

/** The mixture of a token's first informative channel, under three classes and none, where the class says most. */
async function drawMixture(scene: Scene): Promise<void> {
  const { model } = scene;
  const { x } = testImages(scene, [0]);
  const { informative: channels, tokens } = model.dimensions;
  const { components } = model.config;
  const parts = scope(() => model.split(model.flow.forward(x).z));
  const latents = await parts.informative.data();
  const heads = async (label: number) =>
    read(() => model.requireAr().forward(parts.informative, model.labels([label])).informative);
  const classes = [
    { name: 'class 7 (its own)', heads: await heads(7) },
    { name: 'class 9', heads: await heads(9) },
    { name: 'class 0', heads: await heads(0) },
    { name: 'no class', heads: await heads(model.nullClass) },
  ];
  const width = classes[0]!.heads.length / tokens;
  const density = (all: Float32Array, token: number, z: number) =>
    mixtureDensity(all.subarray(token * width, (token + 1) * width), components, channels, z);
  const [own, , other] = classes;
  const gain = (token: number) => {
    const z = latents[token * channels]!;
    return Math.log(density(own!.heads, token, z) / density(other!.heads, token, z));
  };
  const token = [...Array(tokens).keys()].reduce((a, b) => (gain(b) > gain(a) ? b : a));
  const latent = latents[token * channels]!;
  const curves = classes.map(({ name, heads: all }): Curve => {
    const grid = Array.from({ length: 321 }, (_, i) => -4 + i / 40);
    const points = grid.map((z) => ({ x: z, y: density(all, token, z) }));
    return { name: `${name}: ${density(all, token, latent).toFixed(2)} there`, points };
  });
  const most = Math.max(...curves.flatMap(({ points }) => points.map(({ y }) => y)));
  const line = { name: 'the latent', points: [0, most].map((y) => ({ x: latent, y })) };
  const title = `Mixtures of latent ${token + 1} of 49 in reading order, an image of a 7`;
  const axes = { title, x: 'z, first informative channel', y: 'density', width: 900 };
  await writeFigure('mixture', lineChart([...curves, line], axes));
}

/** Σ_k π_k N(z; μ_k, σ_k) of the first channel of a packed head: K logits, K × d means, K × d raw scales. */
function mixtureDensity(head: Float32Array, k: number, d: number, z: number): number {
  const logits = head.subarray(0, k);
  const most = Math.max(...logits);
  const weights = logits.map((logit) => Math.exp(logit - most));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.reduce((density, weight, i) => {
    const raw = head[k + k * d + i * d]!;
    const std = Math.max(0.5 * (raw + Math.sqrt(raw * raw + 4)), 1e-6);
    const e = (z - head[k + i * d]!) / std;
    return density + ((weight / total) * Math.exp(-0.5 * e * e)) / (std * Math.sqrt(2 * Math.PI));
  }, 0);
}

/** Images with one part of their latents drawn anew. */
async function drawSplit(scene: Scene): Promise<void> {
  const { model } = scene;
  const { images, labels, x } = testImages(scene, DIGITS);
  const parts = scope(() => model.split(model.flow.forward(x).z));
  const classes = model.labels(labels);
  const random = new RandomStream(4);
  const panels: Panel[] = [column('the image', images)];
  for (const step of [0, 1, 2]) {
    random.setStep(step);
    const redundant = scope(() => drawRedundant(scene, parts, classes, random, 1));
    const drawn = await invert(scene, { informative: parts.informative, redundant });
    panels.push(column('Zᴿ anew', drawn));
  }
  for (const step of [3, 4, 5]) {
    random.setStep(step);
    const { informative } = scope(() => sampleLatents(model, classes, random));
    const drawn = await invert(scene, { informative, redundant: parts.redundant });
    panels.push(column('Zᴵ anew', drawn));
  }
  await writeFigure('split', panelFigure(panels));
}

/** Figure 7: the same random numbers with the redundant mixture's standard deviations scaled. */
async function drawDial(scene: Scene): Promise<void> {
  const { model } = scene;
  const { images, labels, x } = testImages(scene, DIGITS);
  const parts = scope(() => model.split(model.flow.forward(x).z));
  const classes = model.labels(labels);
  const random = new RandomStream(4);
  const panels: Panel[] = [column('the image', images)];
  for (const scale of [0, 0.4, 0.8, 1, 1.2, 2, 4]) {
    random.setStep(0);
    const redundant = scope(() => drawRedundant(scene, parts, classes, random, scale));
    const drawn = await invert(scene, { informative: parts.informative, redundant });
    panels.push(column(`× ${scale}`, drawn));
  }
  await writeFigure('dial', panelFigure(panels));
}

/** Zᴿ ~ P(Zᴿ | Zᴵ, c), all tokens from the mixture that they share. */
function drawRedundant(
  { model }: Scene,
  { informative }: SplitTokens,
  labels: Tensor,
  random: RandomStream,
  scale: number,
): Tensor {
  const { tokens, redundant } = model.dimensions;
  const batch = labels.size;
  const shared = model.requireAr().forward(informative, labels).shared!;
  return sampleGaussianMixture(
    shared,
    random.uniform([batch, tokens]),
    random.normal([batch, tokens, redundant]),
    { components: model.config.sharedComponents, logitScale: 1, scale },
  );
}

function invert(scene: Scene, parts: SplitTokens): Promise<Uint8Array> {
  return bytesOf(scene, () => scene.model.flow.inverse(scene.model.join(parts)));
}

function column(title: string, images: Uint8Array): Panel {
  const grid = { images, height: 28, width: 28, channels: 1 };
  return imagePanel(title, grid, { columns: 1, scale: 3 });
}
