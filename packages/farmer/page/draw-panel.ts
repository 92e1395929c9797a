import { guidancePresets, type SamplingOptions } from '../src/index.ts';
import { element, type Run } from './elements.ts';
import { drawPath, type PageModel } from './model.ts';
import { showImages } from './picture.ts';

/** Of the images drawn at once; a column has one class where there are few. */
const ROWS = 2;
const MOST_COLUMNS = 10;
const EVERY_CLASS = 'all';

/**
 * Draws images, and the way of one of them from Z to X.
 * @param onChoice gets the image chosen
 */
export function setUpDrawing(
  model: PageModel,
  run: Run,
  onChoice: (image: Uint8Array) => Promise<void>,
): () => Promise<void> {
  const panel = element('draw', HTMLElement);
  const samples = element('samples', HTMLCanvasElement);
  const { config, dimensions } = model.farmer;
  const size = dimensions.imageValues;
  const columns = columnsOf(model.classNames);
  const choices = controls(panel, model);
  let stages: Uint8Array[] = [];
  let seed = 0;

  const draw = async () => {
    const isDrawn = await run('drawing', async () => {
      const { classes, options } = choices();
      stages = await drawPath(model, classes, seed++, options);
      showImages(samples, stages.at(-1)!, config.image, { columns, scale: 2 });
    });
    if (isDrawn) await choose(0);
  };
  const imageOf = (images: Uint8Array, i: number) => images.subarray(i * size, (i + 1) * size);
  const choose = async (i: number) => {
    // The first drawing may have failed, or go on.
    if (stages.length === 0) return;
    const canvases = stages.map((images) => {
      const canvas = document.createElement('canvas');
      showImages(canvas, imageOf(images, i), config.image, { columns: 1, scale: 3 });
      return canvas;
    });
    element('path', HTMLElement).replaceChildren(...canvases);
    await onChoice(imageOf(stages.at(-1)!, i));
  };

  samples.onclick = async ({ offsetX, offsetY }) => {
    const { width, height } = config.image;
    const place = (at: number, shown: number, pixels: number, each: number) =>
      Math.min(
        Math.floor(((at / shown) * pixels) / (each + 1)),
        Math.ceil(pixels / (each + 1)) - 1,
      );
    const column = place(offsetX, samples.clientWidth, samples.width, width);
    const row = place(offsetY, samples.clientHeight, samples.height, height);
    await choose(row * columns + column);
  };
  panel.querySelector('form')!.onsubmit = async (event) => {
    event.preventDefault();
    await draw();
  };
  panel.hidden = false;
  return draw;
}

/** Whole rounds of all classes, if a row holds one. */
function columnsOf({ length: classes }: readonly string[]): number {
  return classes > MOST_COLUMNS ? MOST_COLUMNS : MOST_COLUMNS - (MOST_COLUMNS % classes);
}

/** Fills the form for a model; what it returns reads it. */
function controls(panel: HTMLElement, { classNames, farmer }: PageModel) {
  const kind = element('class', HTMLSelectElement, panel);
  const weight = element('weight', HTMLInputElement, panel);
  const scale = element('scale', HTMLInputElement, panel);
  kind.append(new Option('every class', EVERY_CLASS));
  classNames.forEach((name, i) => kind.append(new Option(name, String(i))));
  // A plain Gaussian prior knows no classes, and a model without a split has no redundant channels.
  weight.closest('label')!.hidden = farmer.ar === undefined;
  scale.closest('label')!.hidden = farmer.ar === undefined || farmer.dimensions.redundant === 0;
  for (const range of [weight, scale]) {
    const show = () => (range.parentElement!.querySelector('output')!.value = range.value);
    range.addEventListener('input', show);
    show();
  }
  return (): { classes: number[]; options: SamplingOptions } => ({
    classes: Array.from({ length: ROWS * columnsOf(classNames) }, (_, i) =>
      kind.value === EVERY_CLASS ? i % classNames.length : Number(kind.value),
    ),
    options: {
      redundantScale: farmer.ar ? Number(scale.value) : 1,
      guidance: farmer.ar
        ? { ...guidancePresets['farmer-1.1b'], weight: Number(weight.value) }
        : undefined,
    },
  });
}
