/** student.png: images there and back, by the teacher's exact inverse and by students after more and more steps. */
import { scope } from '@farmer/tensor';
import { compareReverse, distillationConfig, Distiller, type StudentAttention } from 'farmer';
import { imagePanel, panelFigure, type Panel } from '../../../packages/farmer/cli/files/panels.ts';
import { loadTrainingImages } from '../../../packages/farmer/cli/trained-model.ts';
import { bytesOf, testImages, withTinyModel, writeFigure } from './support.ts';

const STEPS = 600;
const SHOWN = [0, 100, STEPS];
const DIGITS = [3, 1, 4, 0, 61, 18];

await withTinyModel(async (scene) => {
  const { model, checkpoint } = scene;
  const { histogram } = checkpoint;
  const trainingData = await loadTrainingImages(checkpoint);
  const { images, x } = testImages(scene, DIGITS);
  const z = scope(() => model.flow.forward(x).z);
  const column = (title: string, bytes: Uint8Array): Panel => {
    const grid = { images: bytes, height: 28, width: 28, channels: 1 };
    return imagePanel(title, grid, { columns: 1, scale: 3 });
  };
  const exact = await bytesOf(scene, () => model.flow.inverse(z));
  const panels = [column('the image', images), column('teacher', exact)];
  for (const attention of ['bidirectional', 'causal'] satisfies StudentAttention[]) {
    const config = distillationConfig(checkpoint.run.config.training, { steps: STEPS, attention });
    const options = { histogram, sigma: 0, seed: 0 };
    const distiller = new Distiller(model, config, trainingData, options);
    const { student } = distiller;
    for (const steps of SHOWN) {
      while (distiller.step < steps) {
        distiller.advance();
        if (distiller.step % 50 === 0) await distiller.readMetrics();
      }
      const made = await bytesOf(scene, () => student.inverse(z));
      panels.push(column(`${attention === 'causal' ? 'causal' : 'bidir.'} ${steps}`, made));
      await report(`${attention}, ${steps} steps`);
    }
    async function report(name: string): Promise<void> {
      const { teacher, student: own, speedup } = await compareReverse(model.flow, student, x, 3);
      const errors = [teacher, own].map(({ meanSquaredError }) =>
        meanSquaredError.toExponential(1),
      );
      console.log(
        `  ${name}: mean squared error ${errors[1]} (teacher ${errors[0]}), ${speedup.toFixed(0)} times as fast`,
      );
    }
    distiller.dispose();
  }
  await writeFigure('student', panelFigure(panels));
});
