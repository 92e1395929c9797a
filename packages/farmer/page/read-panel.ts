import { element, type Run } from './elements.ts';
import { readImage, type PageModel } from './model.ts';
import { Pen } from './pen.ts';
import { showHeat } from './picture.ts';

/** Screen pixels of an image's side, about. */
const SIDE = 224;

/**
 * Reads an image that may be drawn on: its class, its bits, and where they are.
 * @returns takes another image to read
 */
export function setUpReading(model: PageModel, run: Run): (image: Uint8Array) => Promise<void> {
  const { image, patch } = model.farmer.config;
  const scale = Math.max(1, Math.round(SIDE / image.width));
  const read = () =>
    run('reading', async () => {
      const { posterior, best, bitsPerDim, tokens } = await readImage(model, pen.image);
      const columns = Math.ceil(image.width / patch);
      showHeat(
        element('bits', HTMLCanvasElement),
        tokens,
        columns,
        (image.width * scale) / columns,
      );
      element('bits-caption', HTMLElement).textContent =
        `${bitsPerDim.toFixed(3)} bits/dim as “${model.classNames[best]}”; bright patches cost most`;
      showPosterior(model.classNames, posterior);
    });
  const pen = new Pen(element('pen', HTMLCanvasElement), image, scale, () => void read());
  element('clear', HTMLButtonElement).onclick = () => {
    pen.show(new Uint8Array(pen.image.length));
  };
  element('read', HTMLElement).hidden = false;
  return async (shown) => {
    pen.show(shown);
    await read();
  };
}

function showPosterior(classNames: readonly string[], posterior: Float64Array): void {
  const rows = classNames.map((name, i) => {
    const row = document.createElement('tr');
    const meter = document.createElement('meter');
    meter.value = posterior[i]!;
    row.append(cell(name), cell(meter), cell(`${(100 * posterior[i]!).toFixed(1)} %`));
    return row;
  });
  element('posterior', HTMLTableElement).replaceChildren(...rows);
}

function cell(content: string | Node): HTMLTableCellElement {
  const made = document.createElement('td');
  made.append(content);
  return made;
}
