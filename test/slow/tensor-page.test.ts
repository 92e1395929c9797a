import type { Browser } from 'playwright-core';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundle } from '../../packages/farmer/cli/page/files.ts';
import { servePage } from '../../packages/farmer/cli/page/server.ts';
import { launchBrowser, visit } from '../support/browser.ts';

describe('in a page', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser.close());

  /** What a program of test/slow/page leaves when it has run. */
  async function answerOf(program: string, isolated: boolean): Promise<unknown> {
    const server = await servePage(
      {
        '/': { type: 'text/html', body: '<script type="module" src="/page.js"></script>' },
        '/page.js': {
          type: 'text/javascript',
          body: await bundle(resolve(import.meta.dirname, 'page', program)),
        },
      },
      { port: 0, isolated },
    );
    try {
      const page = await visit(browser, server.url);
      const answer = await page.waitForFunction('globalThis.answer', undefined, { timeout: 0 });
      return await answer.jsonValue();
    } finally {
      await server.close();
    }
  }

  // The first query attends one key, so its result is v's first row, sin(0.7 i)
  const firstRow = [0, 1, 2, 3].map((i) => expect.closeTo(Math.sin(0.7 * i), 5) as number);

  test('that is isolated, the CPU device has workers, and gives bit for bit what one thread gives', async () => {
    const answer = (await answerOf('cpu-device.ts', true)) as { threads: number };
    expect(answer).toMatchObject({ isEqual: true, startsWorkers: true, sample: firstRow });
    expect(answer.threads).toBeGreaterThanOrEqual(1);
  });

  test('that is not isolated, the CPU device has one thread', async () => {
    const answer = await answerOf('cpu-device.ts', false);
    expect(answer).toMatchObject({ threads: 1, isEqual: true, sample: firstRow });
  });
});
