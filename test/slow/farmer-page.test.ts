import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { registry } from '@farmer/tensor';
import { openDevice } from '@farmer/tensor/node';
import { weightsFile } from 'farmer/node';
import { readCheckpoint } from '../../packages/farmer/cli/checkpoint.ts';
import { pageFiles } from '../../packages/farmer/cli/page/files.ts';
import { servePage, type PageServer } from '../../packages/farmer/cli/page/server.ts';
import { drawPath, fetchModel } from '../../packages/farmer/page/model.ts';
import { guidancePresets } from '../../packages/farmer/src/guidance-presets.ts';
import { launchBrowser, open, visit } from '../support/browser.ts';

const side = 28;
const classes = 10;
const count = 2 * classes;

describe('farmer page', () => {
  let browser: Browser;
  let server: PageServer;
  beforeAll(async () => {
    const checkpoint = await readCheckpoint(weightsFile('tiny'));
    server = await servePage(await pageFiles(checkpoint, 'the tiny model'), { port: 0 });
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
  });

  /** The images that the page's first drawing should be, as bytes [20, 28, 28]. */
  async function expected(): Promise<Uint8Array> {
    const device = await openDevice({ device: 'cpu' });
    const model = await fetchModel(`${server.url}model.safetensors`);
    const labels = Array.from({ length: count }, (_, i) => i % classes);
    const guidance = { ...guidancePresets['farmer-1.1b'], weight: 2.5 };
    const images = (await drawPath(model, labels, 0, { guidance })).at(-1)!;
    device.destroy();
    return images;
  }

  test.each(['cpu', 'webgpu'])('draws what the same model draws in Node: %s', async (device) => {
    const page = await visit(browser, `${server.url}?device=${device}`);
    await finished(page);
    const found = await shownImages(page);
    const wanted = await expected();
    const differences = found.map((byte, i) => Math.abs(byte - wanted[i]!));
    // Candidates' weights that differ by rounding may choose another, after which an image is another one.
    const isSame = Array.from({ length: count }, (_, i) =>
      differences.slice(i * side * side, (i + 1) * side * side).every((byte) => byte <= 8),
    );
    expect(isSame.filter(Boolean).length).toBeGreaterThanOrEqual(0.9 * count);
    expect(await page.locator('#path canvas').count()).toBe(1 + 3);
  });

  test('reads the image that is chosen, and what is drawn on it', async () => {
    const page = await visit(browser, `${server.url}?device=cpu`);
    await finished(page);
    // The second row's fourth image, a 3.
    const box = (await page.locator('#samples').boundingBox())!;
    await page.mouse.click(box.x + (3.5 / 10) * box.width, box.y + 0.75 * box.height);
    await finished(page);
    expect(await mostProbable(page)).toBe('3');
    await drawBar(page);
    expect(await mostProbable(page)).toBe('1');
    expect(await page.locator('#bits-caption').textContent()).toMatch(
      /^\d\.\d{3} bits\/dim as “1”/,
    );
  });

  test('is drawn on where the page is not secure', async () => {
    const page = await browser.newPage();
    await page.addInitScript(insecure);
    await open(page, `${server.url}?device=cpu`);
    await finished(page);
    await drawBar(page);
    expect(await mostProbable(page)).toBe('1');
  });

  test('finds that the WebGPU device computes every op and its gradients right', async () => {
    const page = await visit(browser, `${server.url}?device=webgpu`);
    await finished(page);
    await page.locator('#check-all').click();
    await finished(page, 'checking');
    expect(await page.locator('#check-result').textContent()).toMatch(
      new RegExp(`^All ${registry.length} are as they should be on .*SwiftShader`, 'i'),
    );
  });

  test('says what is wrong when the model does not come', async () => {
    const page = await browser.newPage();
    await page.route('**/model.safetensors', (route) => route.fulfill({ status: 503 }));
    await page.goto(`${server.url}?device=cpu`);
    await page.waitForFunction(`document.querySelector('#status').textContent.includes('503')`);
  });
});

/** What a page without https has not. */
const insecure = `
  Object.defineProperty(globalThis, 'isSecureContext', { value: false });
  delete PointerEvent.prototype.getCoalescedEvents;`;

/** Draws a thick bar on an empty image, and waits until it is read. */
async function drawBar(page: Page): Promise<void> {
  await page.locator('#clear').click();
  const pen = (await page.locator('#pen').boundingBox())!;
  await page.mouse.move(pen.x + 0.5 * pen.width, pen.y + 0.2 * pen.height);
  await page.mouse.down();
  await page.mouse.move(pen.x + 0.5 * pen.width, pen.y + 0.8 * pen.height, { steps: 40 });
  await page.mouse.up();
  await finished(page);
}

/** Waits until the page has done such work, and all that it began. */
async function finished(page: Page, work = 'reading'): Promise<void> {
  await page.waitForFunction(
    `/${work} took/.test(document.querySelector('#status').textContent) && !document.querySelector('#status').textContent.includes('…')`,
    undefined,
    { timeout: 300_000 },
  );
}

/** The drawn images, as bytes [20, 28, 28], from the canvas that has a pixel between them. */
async function shownImages(page: Page): Promise<number[]> {
  return page.evaluate(
    ({ side, count, columns }) => {
      const canvas = document.querySelector<HTMLCanvasElement>('#samples')!;
      const context = canvas.getContext('2d')!;
      return Array.from({ length: count }, (_, i) => {
        const [x, y] = [(i % columns) * (side + 1), Math.floor(i / columns) * (side + 1)];
        return [...context.getImageData(x, y, side, side).data].filter((_, at) => at % 4 === 0);
      }).flat();
    },
    { side, count, columns: classes },
  );
}

async function mostProbable(page: Page): Promise<string> {
  const rows = await page.locator('#posterior tr').allTextContents();
  const parsed = rows.map((row) => /^(\d)([\d.]+) %$/.exec(row)!);
  return parsed.reduce((a, b) => (Number(b[2]) > Number(a[2]) ? b : a))[1]!;
}
