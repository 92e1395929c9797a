import chromium from '@sparticuz/chromium';
import { build } from 'esbuild';
import { spawn } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const page = resolve(import.meta.dirname, 'page/cpu-device.ts');

/** Serves the page; `reported` is what it posts. */
async function serve(isIsolated: boolean): Promise<{ server: Server; reported: Promise<unknown> }> {
  const { outputFiles } = await build({
    ...{ entryPoints: [page], bundle: true, write: false },
    ...{ format: 'esm', target: 'es2022', logLevel: 'silent' },
  });
  let settle: (report: unknown) => void;
  const reported = new Promise<unknown>((resolve) => (settle = resolve));
  const server = createServer((request, response) => {
    if (isIsolated) {
      response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
      response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
    }
    const isScript = request.url === '/page.js';
    response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html');
    if (request.method !== 'POST') {
      response.end(
        isScript ? outputFiles[0]!.text : '<script type="module" src="/page.js"></script>',
      );
      return;
    }
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      response.end();
      settle(JSON.parse(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, reported };
}

async function reportOf(isIsolated: boolean): Promise<unknown> {
  const { server, reported } = await serve(isIsolated);
  const profile = await mkdtemp(join(tmpdir(), 'farmer-page-'));
  const address = server.address() as { port: number };
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', `--user-data-dir=${profile}`];
  const browser = spawn(
    await chromium.executablePath(),
    [...flags, `http://127.0.0.1:${address.port}/`],
    { stdio: 'ignore' },
  );
  const ended = new Promise<void>((resolve) => browser.once('exit', () => resolve()));
  const failed = ended.then(() => Promise.reject(new Error('The browser ended without a report.')));
  try {
    return await Promise.race([reported, failed]);
  } finally {
    browser.kill('SIGKILL');
    failed.catch(() => undefined);
    await ended;
    server.close();
    server.closeAllConnections();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

// The first query attends one key, so its result is v's first row, sin(0.7 i)
const firstRow = [0, 1, 2, 3].map((i) => expect.closeTo(Math.sin(0.7 * i), 5) as number);

test('an isolated page computes with workers, bit for bit what one thread gives', async () => {
  const report = (await reportOf(true)) as { threads: number };
  expect(report).toMatchObject({ isEqual: true, startsWorkers: true, sample: firstRow });
  expect(report.threads).toBeGreaterThanOrEqual(1);
});

test('a page that is not isolated computes with one thread', async () => {
  const report = await reportOf(false);
  expect(report).toMatchObject({ threads: 1, isEqual: true, sample: firstRow });
});
