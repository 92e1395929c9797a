/** log-det.png, tokens.png: where in an image its likelihood comes from. pixels.png: the pixel map of two pixels. */
import { scope } from '@farmer/tensor';
import { forwardPath, scoreTokens } from 'farmer';
import { lineChart, type Curve } from '../../../packages/farmer/cli/files/chart.ts';
import { heatMap } from '../../../packages/farmer/cli/files/heat-map.ts';
import { imagePanel, panelFigure } from '../../../packages/farmer/cli/files/panels.ts';
import { tokenMaps } from '../../../packages/farmer/cli/score-files.ts';
import { read, testImages, withTinyModel, writeFigure, type Scene } from './support.ts';

await withTinyModel(async (scene) => {
  await drawLogDets(scene);
  await drawTokens(scene);
  await drawPixelMaps(scene);
});

/** The log-det of each block, patch by patch, in nats a dimension: red where the block stretches. */
async function drawLogDets(scene: Scene): Promise<void> {
  const { model } = scene;
  const { images, x } = testImages(scene, [0]);
  const path = scope(() => forwardPath(model.flow, x));
  const size = { rows: 7, columns: 7, cell: 24 };
  const style = { ...size, colours: 'diverging', range: [-1.5, 1.5], unit: 'nats' } as const;
  const perDim = (logDet: Float32Array) => logDet.map((v) => v / model.dimensions.channels);
  const panels = [
    imagePanel('image', { images, height: 28, width: 28, channels: 1 }, { columns: 1, scale: 6 }),
  ];
  for (const [t, block] of model.flow.blocks.entries()) {
    const logDet = await read(() => block.forwardTokens(path[t]!).logDet);
    panels.push(heatMap(perDim(logDet), { ...style, title: `block ${t + 1}` }));
  }
  const whole = await read(() => model.flow.forwardTokens(x).logDet);
  panels.push(heatMap(perDim(whole), { ...style, title: 'all blocks' }));
  await writeFigure('log-det', panelFigure(panels));
}

async function drawTokens(scene: Scene): Promise<void> {
  const { model, pixels } = scene;
  const { images: bytes, labels, noise } = testImages(scene, [18]);
  const scores = await scoreTokens(model, pixels, { pixels: bytes, noise, labels });
  await writeFigure('tokens', tokenMaps(model, bytes, scores));
}

/** y(v) over all levels, for a pixel of the border and one of the middle, and the raw map for comparison. */
async function drawPixelMaps({ checkpoint, pixels }: Scene): Promise<void> {
  const places: [string, number][] = [
    ['row 2, column 14', 2 * 28 + 14],
    ['row 14, column 14', 14 * 28 + 14],
  ];
  const curves = places.map(([name, place]): Curve => {
    const points = Array.from({ length: 256 * 4 }, (_, i) => {
      const [level, u] = [Math.floor(i / 4), ((i % 4) + 0.5) / 4];
      const image = new Uint8Array(784).fill(level);
      const noise = new Float32Array(784).fill(u);
      return { x: level + u, y: pixels.forward(image, noise).values[place]! };
    });
    const zeros = checkpoint.histogram.pmf[place * 256]!;
    return { name: `${name}: P(0) = ${zeros.toFixed(2)}`, points };
  });
  const raw = Array.from({ length: 257 }, (_, v) => ({ x: v, y: v / 128 - 1 }));
  const title = 'What the flow sees of a pixel: y = Φ⁻¹(cdf[k] + u·pmf[k])';
  const labels = { title, x: 'v = k + u, the level with its noise', y: 'y' };
  await writeFigure(
    'pixels',
    lineChart([...curves, { name: 'raw: v/128 − 1', points: raw }], labels),
  );
}
