import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli, runCliWell, startCli } from '../support/cli.ts';

let folder: string;
let common: string[];
const at = (...names: string[]) => join(folder, ...names);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'farmer-ablation-'));
  await writeImages(at('images'));
  const classifier = at('classifier.safetensors');
  await runCliWell(
    ...['classifier', 'train', '--data', at('images'), '--out', classifier, '--device', 'cpu'],
    ...['--epochs', '1', '--batch', '10', '--width', '8', '--blocks', '0', '--shift', '0'],
  );
  common = [
    ...['ablation', '--device', 'cpu', '--data', at('images'), '--classifier', classifier],
    ...['--rows', 'full,no-dimension-reduction', '--seeds', '2', '--steps', '5'],
    ...['flow.width=16', 'flow.heads=2', 'ar.layers=1', 'ar.width=16', 'ar.heads=2'].flatMap(
      (part) => ['--set', `model.${part}`],
    ),
    ...['--set', 'model.patch=8', '--set', 'training.batch=8', '--samples', '10'],
  ];
});
afterAll(() => rm(folder, { recursive: true, force: true }));

// Not a multiple of the patch, 8: the model's images are padded, those that it draws are not.
const SIDE = 12;

/** 50 images to train on and 10 to test, in two classes: light above, or light below. */
async function writeImages(path: string): Promise<void> {
  for (const [split, count] of Object.entries({ train: 25, test: 5 })) {
    for (const name of ['above', 'below']) {
      await mkdir(join(path, split, name), { recursive: true });
      for (let i = 0; i < count; i++) {
        const png = new PNG({ width: SIDE, height: SIDE });
        for (let pixel = 0; pixel < SIDE ** 2; pixel++) {
          const isLight = pixel < SIDE ** 2 / 2 === (name === 'above');
          const value = (isLight ? 180 : 40) + ((pixel * 7 + i * 13) % 40);
          png.data.set([value, value, value, 255], 4 * pixel);
        }
        const bytes = PNG.sync.write(png, { colorType: 0 });
        await writeFile(join(path, split, name, `${i}.png`), bytes);
      }
    }
  }
}

const runs = ['full', 'no-dimension-reduction'].flatMap((row) =>
  [0, 1].map((seed) => join(row, `seed-${seed}`)),
);

/** The figures of each run, less the time they took. */
async function figures(run: string): Promise<unknown[]> {
  return Promise.all(
    runs.map(async (name) => {
      const text = await readFile(join(run, name, 'result.json'), 'utf8');
      return JSON.parse(text, (key, value: unknown) => (key === 'seconds' ? 0 : value)) as unknown;
    }),
  );
}

describe('an ablation', () => {
  const whole = ['--run', 'whole', '--out', 'report'];
  const inFolder = (options: readonly string[]) =>
    options.map((option) => (option.startsWith('--') ? option : at(option)));

  beforeAll(async () => {
    const { stdout } = await runCliWell(...common, ...inFolder(whole));
    expect(stdout).not.toContain('done before');
  });

  it('writes a table of both rows, charts and sample grids', async () => {
    const text = await readFile(at('report', 'README.md'), 'utf8');
    const table = text.split('\n').filter((line) => line.startsWith('|'));
    // Heading, rule, the full model without and with two kinds of guidance, and the other.
    expect(table).toHaveLength(6);
    // Two seeds: a mean with its spread.
    expect(table[2]).toMatch(/^\| full model \| [\d,]+ \| 5 \| 2 \| \d+\.\d{4} ± \d+\.\d{4} \|/);
    expect(table[5]).toMatch(/^\| no dimension reduction \| [\d,]+ \| \d+ \| 2 \| \d/);
    expect((await readdir(at('report'))).sort()).toEqual([
      ...['README.md', 'bits-per-dim.png', 'curves.png', 'frechet.png', 'results.json', 'samples'],
    ]);
    const samples = await readdir(at('report', 'samples'));
    expect(samples).toContain('full-resampling.png');
    const grid = PNG.sync.read(await readFile(at('report', 'samples', 'full.png')));
    // A row of five images for each of two classes, enlarged five times, with gaps of a pixel's size between.
    const length = (images: number) => 5 * (images * (SIDE + 1) - 1);
    expect([grid.height, grid.width]).toEqual([length(2), length(5)]);
    for (const [, file] of text.matchAll(/\]\(([^)]+\.png)\)/g)) {
      expect(existsSync(at('report', file!)), file).toBe(true);
    }
  });

  it('writes the report beside the runs without --out, and else says where', async () => {
    const madeBy = async (path: string) =>
      /^Made by `farmer (.*)`\.$/m.exec(await readFile(join(path, 'README.md'), 'utf8'))![1];
    expect(await madeBy(at('report'))).toMatch(/ --out \S+report$/);
    await runCliWell(...common, '--run', at('whole'));
    expect(await madeBy(at('whole', 'report'))).not.toContain('--out');
  });

  it('gives every row the same training operations', async () => {
    const { planned } = JSON.parse(await readFile(at('report', 'results.json'), 'utf8')) as {
      planned: { tflop: number; config: { training: { steps: number } } }[];
    };
    const [full, other] = planned;
    expect(full!.config.training.steps).toBe(5);
    const perStep = other!.tflop / other!.config.training.steps;
    expect(Math.abs(other!.tflop - full!.tflop)).toBeLessThanOrEqual(perStep / 2);
  });

  it('repeats nothing that is done, and refuses a folder of another one', async () => {
    const before = await Promise.all(runs.map((run) => readFile(at('whole', run, 'result.json'))));
    const again = await runCliWell(...common, ...inFolder(whole));
    expect(again.stdout.match(/done before/g)).toHaveLength(4);
    const after = await Promise.all(runs.map((run) => readFile(at('whole', run, 'result.json'))));
    expect(after).toEqual(before);
    const other = await runCli(...common, ...inFolder(whole), '--steps', '6');
    expect(other.code).toBe(1);
    expect(other.stderr).toContain('holds another ablation (config.training.steps 5, not 6)');
  });

  it.each([
    ['SIGKILL', 'result.json'],
    ['SIGINT', 'config.json'],
  ] as const)('goes on after %s with the same figures', async (signal, file) => {
    const options = inFolder(['--run', signal, '--out', `${signal}-report`]);
    const first = startCli([...common, ...options]);
    const started = at(signal, 'full', 'seed-0', file);
    while (!existsSync(started) && first.process.exitCode === null) await delay(2);
    first.process.kill(signal);
    const stopped = await first.result;
    expect([null, 130], stopped.stderr).toContain(stopped.code);
    expect(existsSync(at(`${signal}-report`, 'results.json'))).toBe(false);
    await runCliWell(...common, ...options);
    expect(await figures(at(signal))).toEqual(await figures(at('whole')));
  });
});

it('claims no folder when it lacks a classifier', async () => {
  const args = ['--data', at('images'), '--steps', '5', '--run', at('claimed')];
  const { code, stderr } = await runCli('ablation', ...args);
  expect(code).toBe(1);
  expect(stderr).toContain('no classifier comes with the project for');
  expect(existsSync(at('claimed'))).toBe(false);
});

it('names an unknown row', async () => {
  const { code, stderr } = await runCli('ablation', '--rows', 'full,jett');
  expect(code).toBe(1);
  expect(stderr).toContain('unknown row "jett"; did you mean "jet"?');
});
