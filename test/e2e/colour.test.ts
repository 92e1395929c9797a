import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli, runCliWell, type CliResult } from '../support/cli.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'farmer-colour-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const cpu = ['--device', 'cpu', '--json'];
const results = ({ stdout }: CliResult) => JSON.parse(stdout) as Record<string, unknown>;

/** 24 images a class of height × width, each a ramp in one colour or, for grey, in brightness. */
async function writeRamps(path: string, height: number, width: number, colours: object) {
  for (const [name, [red, green, blue]] of Object.entries(colours) as [string, number[]][]) {
    await mkdir(join(path, name), { recursive: true });
    for (let i = 0; i < 24; i++) {
      const image = new PNG({ width, height });
      for (let p = 0; p < height * width; p++) {
        const level = 40 + 8 * (p % width) + ((i * 7 + p) % 5);
        image.data.set([level * red!, level * green!, level * blue!, 255], 4 * p);
      }
      const colorType = red === green && green === blue ? 0 : 2;
      await writeFile(join(path, name, `${i}.png`), PNG.sync.write(image, { colorType }));
    }
  }
}

const sizes = ['flow.blocks=1', 'flow.width=8', 'flow.heads=2', 'ar.layers=1']
  .concat(['ar.width=8', 'ar.heads=2', 'components=2', 'sharedComponents=2'])
  .flatMap((part) => ['--set', `model.${part}`])
  .concat(['--set', 'training.batch=8', '--set', 'training.warmup=2', '--sample-steps', '0']);

describe('images of any size and colour', () => {
  it.each([
    ['colour, padded', 9, 13, { warm: [1, 0.6, 0.2], cold: [0.2, 0.5, 1] }, 4, '9 × 13 to 12 × 16'],
    ['colour, rectangular', 8, 16, { warm: [1, 0.6, 0.2], cold: [0.2, 0.5, 1] }, 8, undefined],
    ['grey, padded', 10, 7, { dim: [0.5, 0.5, 0.5], bright: [1, 1, 1] }, 4, '10 × 7 to 12 × 8'],
  ])('%s: train, evaluate, sample, score', async (name, height, width, colours, patch, padding) => {
    const [data, run] = [join(folder, name), join(folder, `run ${name}`)];
    await writeRamps(data, height, width, colours);
    const train = ['train', '--data', data, '--run', run, '--set', `model.patch=${patch}`];
    const trained = await runCliWell(...train, '--steps', '12', ...sizes, ...cpu);
    if (padding) expect(trained.stderr).toContain(`padding     from ${padding}`);
    else expect(trained.stderr).not.toContain('padding ');
    expect(results(trained)['bitsPerDim']).toBeGreaterThan(0);

    const evaluated = results(await runCliWell('eval', '--run', run, '--draws', '2', ...cpu));
    const { bitsPerDim, parts } = evaluated as { bitsPerDim: number; parts: object };
    const sum = Object.values(parts).reduce((a: number, b: number) => a + b, 0);
    expect(sum).toBeCloseTo(bitsPerDim, 6);

    // Drawing and scoring files need no training images.
    const away = join(folder, `away ${name}`);
    await rename(data, away);
    const out = join(folder, `${name}.png`);
    await runCliWell(
      'sample',
      '--run',
      run,
      '--count',
      '2',
      '--columns',
      '2',
      '--out',
      out,
      ...cpu,
    );
    const grid = PNG.sync.read(await readFile(out));
    const scale = Math.floor(64 / Math.max(height, width));
    expect([grid.height, grid.width]).toEqual([height, width].map((n) => (2 * n + 1) * scale));

    const maps = join(folder, `maps ${name}`);
    const file = join(away, Object.keys(colours)[0]!, '3.png');
    const scored = results(await runCliWell('score', file, '--run', run, '--maps', maps, ...cpu));
    const [score] = scored['files'] as {
      bitsPerDim: number;
      tokens: { total: number[] };
      map: string;
    }[];
    expect(score!.tokens.total).toHaveLength(Math.ceil(height / patch) * Math.ceil(width / patch));
    const mean = score!.tokens.total.reduce((a, b) => a + b, 0) / score!.tokens.total.length;
    expect(mean).toBeCloseTo(score!.bitsPerDim, 9);
    expect(PNG.sync.read(await readFile(score!.map)).width).toBeGreaterThan(300);
    await rename(away, data);
  });

  it('compare with other images, or are refused in one sentence', async () => {
    const [run, data] = [join(folder, 'run grey, padded'), join(folder, 'grey, padded')];
    const other = join(folder, 'inverted');
    await writeRamps(other, 10, 7, { a: [0.05, 0.05, 0.05] });
    const out = join(folder, 'histograms.png');
    const compared = results(
      await runCliWell(
        'score',
        '--run',
        run,
        '--compare',
        other,
        '--limit',
        '4',
        ...cpu,
        '--out',
        out,
      ),
    );
    expect(compared['auroc']).toBeGreaterThanOrEqual(0);
    expect(compared['auroc']).toBeLessThanOrEqual(1);
    expect(compared['sets']).toHaveLength(2);
    expect(PNG.sync.read(await readFile(out)).width).toBeGreaterThan(300);

    const coloured = join(folder, 'colour, padded', 'warm', '0.png');
    const refused: [string[], RegExp][] = [
      [[coloured, '--resize'], /error: .*0\.png has colours, but the model's images are grey/],
      [[], /error: give either PNG files to score, or --compare/],
      [[join(folder, 'none.png')], /error: cannot read the image .*none\.png/],
      [[join(data, 'dim', '0.png'), '--out', 'x.png'], /error: --out needs --compare/],
    ];
    for (const [args, message] of refused) {
      const { code, stderr } = await runCli('score', ...args, '--run', run, '--device', 'cpu');
      expect(stderr).toMatch(message);
      expect(code).toBe(1);
    }
  });
});
