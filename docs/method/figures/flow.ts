/** flow.png: an image after each block. jacobian.png: which patches reach which latents. */
import { philoxNormals, scope, tensor, type Tensor } from '@farmer/tensor';
import { forwardPath, type Mapped } from 'farmer';
import { heatMap } from '../../../packages/farmer/cli/files/heat-map.ts';
import { imagePanel, panelFigure, type Panel } from '../../../packages/farmer/cli/files/panels.ts';
import { read, testImages, withTinyModel, writeFigure, type Scene } from './support.ts';

await withTinyModel(async (scene) => {
  await drawBlocks(scene);
  await drawJacobians(scene);
});

async function drawBlocks(scene: Scene): Promise<void> {
  const { model } = scene;
  const { images, x } = testImages(scene, [0, 2, 18]);
  const path = scope(() => forwardPath(model.flow, x));
  const names = ['X = Z⁰', 'Z¹', 'Z²', 'Z³ = Z'];
  const latents = await Promise.all(path.map((z) => read(() => model.images(z))));
  const panels = [0, 1, 2].flatMap((image): Panel[] => {
    const own = [784 * image, 784 * (image + 1)] as const;
    const pixels = { images: images.subarray(...own), height: 28, width: 28, channels: 1 };
    return [
      imagePanel('pixels', pixels, { columns: 1, scale: 4 }),
      ...latents.map((values, t) =>
        heatMap(values.subarray(...own), {
          ...{ title: names[t]!, rows: 28, columns: 28, cell: 4 },
          ...{ colours: 'diverging', range: [-4, 4] },
        }),
      ),
    ];
  });
  await writeFigure('flow', panelFigure(panels, 5));
  for (const [t, values] of latents.entries()) {
    const square = values.reduce((sum, v) => sum + v * v, 0) / values.length;
    console.log(`  ${names[t]}: root mean square ${Math.sqrt(square).toFixed(3)}`);
  }
}

/** log₁₀ of the change of each latent token for a small change of each input token. */
async function drawJacobians(scene: Scene): Promise<void> {
  const { model } = scene;
  const { x } = testImages(scene, [0]);
  const [first, second] = model.flow.blocks;
  const middle = scope(() => first!.forward(x).z);
  const maps: [string, Tensor, (z: Tensor) => Mapped][] = [
    ['block 1: raster order', x, (z) => first!.forward(z)],
    ['block 2: reversed', middle, (z) => second!.forward(z)],
    ['the flow: blocks 1, 2, 3', x, (z) => model.flow.forward(z)],
  ];
  const panels: Panel[] = [];
  for (const [title, input, map] of maps) {
    const { tokens, channels } = model.dimensions;
    const changes = await tokenChanges(await input.data(), tokens, channels, map);
    const zeros = changes.filter((change) => change === 0).length;
    console.log(`  ${title}: ${zeros} of ${changes.length} pairs of tokens exactly independent`);
    const logs = changes.map((change) => Math.log10(Math.max(change, 1e-4)));
    const size = { rows: tokens, columns: tokens, cell: 5 };
    panels.push({
      ...heatMap(logs, { title, ...size, range: [-4, 0.5] }),
      caption: 'row: latent token, column: input token',
    });
  }
  await writeFigure('jacobian', panelFigure(panels));
}

/** |Δz_i| / |Δx_j| at [i, j], by moving one token at a time in a random direction. */
async function tokenChanges(
  input: ArrayLike<number>,
  tokens: number,
  channels: number,
  map: (z: Tensor) => Mapped,
): Promise<Float32Array> {
  const step = 0.02;
  const batch = new Float32Array((tokens + 1) * input.length);
  for (let j = 0; j <= tokens; j++) batch.set(input, j * input.length);
  const direction = philoxNormals(5, 0, 0, channels);
  const length = Math.hypot(...direction);
  for (let j = 0; j < tokens; j++) {
    const at = (j + 1) * input.length + j * channels;
    for (let c = 0; c < channels; c++) batch[at + c]! += (step * direction[c]!) / length;
  }
  const z = await read(() => map(tensor(batch, [tokens + 1, tokens, channels])).z);
  return Float32Array.from({ length: tokens * tokens }, (_, at) => {
    const [i, j] = [Math.floor(at / tokens), at % tokens];
    let square = 0;
    for (let c = 0; c < channels; c++) {
      const before = z[i * channels + c]!;
      square += (z[(j + 1) * input.length + i * channels + c]! - before) ** 2;
    }
    return Math.sqrt(square) / step;
  });
}
