import type { ImageShape } from '../src/index.ts';
import { showImages } from './picture.ts';

/** Pixels from a stroke's middle to its edge; a digit's strokes are about three wide. */
const RADIUS = 1.6;

/** An image that a mouse, pen or finger draws on. */
export class Pen {
  readonly #canvas: HTMLCanvasElement;
  readonly #shape: ImageShape;
  readonly #scale: number;
  image: Uint8Array;

  /** @param onStroke hears of each finished stroke */
  constructor(canvas: HTMLCanvasElement, shape: ImageShape, scale: number, onStroke: () => void) {
    this.#canvas = canvas;
    this.#shape = shape;
    this.#scale = scale;
    this.image = new Uint8Array(shape.height * shape.width * shape.channels);
    canvas.onpointerdown = (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.#dab(event);
    };
    canvas.onpointermove = (event) => {
      if (event.buttons === 0) return;
      // What a slow frame missed, too, which pages that are not secure are not told.
      const missed = isSecureContext ? event.getCoalescedEvents() : [];
      for (const each of missed.length > 0 ? missed : [event]) this.#dab(each);
    };
    canvas.onpointerup = onStroke;
    this.show(this.image);
  }

  /** Takes another image to draw on. */
  show(image: Uint8Array): void {
    this.image = image.slice();
    showImages(this.#canvas, this.image, this.#shape, { columns: 1, scale: this.#scale });
  }

  #dab({ offsetX, offsetY }: PointerEvent): void {
    const { height, width, channels } = this.#shape;
    const { clientWidth, clientHeight } = this.#canvas;
    const [x, y] = [(offsetX / clientWidth) * width, (offsetY / clientHeight) * height];
    for (let pixel = 0; pixel < height * width; pixel++) {
      const distance = Math.hypot((pixel % width) + 0.5 - x, Math.floor(pixel / width) + 0.5 - y);
      // The edge is a pixel wide.
      const ink = 255 * Math.min(1, Math.max(0, RADIUS + 0.5 - distance));
      for (let i = pixel * channels; i < (pixel + 1) * channels; i++) {
        this.image[i] = Math.max(this.image[i]!, ink);
      }
    }
    this.show(this.image);
  }
}
