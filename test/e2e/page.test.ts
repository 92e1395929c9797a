import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeSafetensors } from '@farmer/nn';
import { runCli, runCliWell, startCli } from '../support/cli.ts';

// In a browser, test/slow does what this leaves out.
describe('farmer page', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'farmer-page-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('writes the files of a page whole', async () => {
    const { stdout } = await runCliWell(
      'page',
      '--checkpoint',
      'tiny',
      '--out',
      join(folder, 'site'),
    );
    expect(stdout).toContain('index.html');
    const files = await readdir(join(folder, 'site'));
    expect(files.sort()).toEqual(['index.html', 'model.safetensors', 'page.js']);
    expect(await readFile(join(folder, 'site/index.html'), 'utf8')).toContain('src="page.js"');
    const model = await readFile(join(folder, 'site/model.safetensors'));
    const { tensors, metadata } = decodeSafetensors(model, 'model.safetensors');
    expect(tensors.get('counts')!.shape).toEqual([28 * 28 * 256]);
    expect(JSON.parse(metadata['about']!)).toMatchObject({ name: 'mnist-tiny' });
  });

  test('serves the page until it is ended', async () => {
    const cli = startCli(['page', '--checkpoint', 'tiny', '--port', '0']);
    const url = await new Promise<string>((resolve) => {
      let text = '';
      cli.process.stdout.on('data', (more: string) => {
        text += more;
        const found = /http:\S+/.exec(text);
        if (found) resolve(found[0]);
      });
    });
    const page = await fetch(url);
    expect(page.headers.get('content-type')).toBe('text/html');
    expect(page.headers.get('cross-origin-embedder-policy')).toBe('require-corp');
    expect((await fetch(`${url}package.json`)).status).toBe(404);
    cli.process.kill('SIGINT');
    await cli.result;
  });

  test('says so when another program has the port', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, 'localhost', resolve));
    const { port } = other.address() as AddressInfo;
    const { code, stderr } = await runCli('page', '--port', String(port));
    other.close();
    expect(code).toBe(1);
    expect(stderr).toContain(`cannot serve on port ${port}: another program has it`);
  });
});
