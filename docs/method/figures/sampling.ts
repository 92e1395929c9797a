/** temperatures.png: plain sampling at other temperatures. guidance.png: classifier-free guidance of growing weight. */
import { drawSamples } from '../../../packages/farmer/cli/sample-grid.ts';
import { imagePanel, panelFigure, type Panel } from '../../../packages/farmer/cli/files/panels.ts';
import { exactResampling, type NaiveGuidance } from 'farmer';
import type { SamplingOptions } from '../../../packages/farmer/src/sampler.ts';
import { withTinyModel, writeFigure, type Scene } from './support.ts';

const SETTINGS: [string, SamplingOptions][] = [
  ['the model: all 1', {}],
  ['T_σ = 0.8', { scale: 0.8 }],
  ['T_σ = 0.5', { scale: 0.5 }],
  ['T_σ = 1.2', { scale: 1.2 }],
  ['T_π = 3', { logitScale: 3 }],
  ['T_σ 0.8, T_π 3', { scale: 0.8, logitScale: 3 }],
];

const resampling = (weight: number) => ({ ...exactResampling, weight });
const naive: NaiveGuidance = { kind: 'naive', weight: 2, tries: 10 };
const GUIDANCE: [string, SamplingOptions][] = [
  ['w = 0', {}],
  ['w = 1', { guidance: resampling(1) }],
  ['w = 2', { guidance: resampling(2) }],
  ['w = 4', { guidance: resampling(4) }],
  ['naive, w = 2', { guidance: naive }],
];

await withTinyModel(async (scene) => {
  await drawSettings(scene, 'temperatures', SETTINGS);
  await drawSettings(scene, 'guidance', GUIDANCE);
});

/** A panel a setting, a row a digit, from one seed. */
async function drawSettings(
  { model, checkpoint }: Scene,
  name: string,
  settings: readonly [string, SamplingOptions][],
): Promise<void> {
  const labels = Array.from({ length: 40 }, (_, i) => Math.floor(i / 4));
  const panels: Panel[] = [];
  for (const [title, options] of settings) {
    const images = await drawSamples(model, checkpoint.histogram, { labels, seed: 2, options });
    const grid = { images, height: 28, width: 28, channels: 1 };
    panels.push(imagePanel(title, grid, { columns: 4, scale: 1, gap: 2 }));
  }
  await writeFigure(name, panelFigure(panels));
}
