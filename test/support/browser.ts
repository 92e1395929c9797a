import sparticuz from '@sparticuz/chromium';
import { chromium, type Browser, type Page } from 'playwright-core';

/** Chromium with WebGPU on the SwiftShader that it brings along. */
export async function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: await sparticuz.executablePath(),
    args: ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'],
  });
}

/** Opens a page whose errors fail the test. */
export async function visit(browser: Browser, url: string): Promise<Page> {
  const page = await browser.newPage();
  page.on('pageerror', (error) => {
    throw error;
  });
  await page.goto(url);
  return page;
}
