import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeSafetensors } from '@farmer/nn';
import { runCli, runCliWell, type CliResult } from '../support/cli.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'farmer-metrics-'));
  await writeStripes(join(folder, 'stripes'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const cpu = ['--device', 'cpu', '--json'];
const results = ({ stdout }: CliResult) => JSON.parse(stdout) as Record<string, unknown>;

/** 200 coloured images of 8 × 8 with stripes across or down: one folder a class. */
async function writeStripes(path: string): Promise<void> {
  for (const name of ['across', 'down']) {
    await mkdir(join(path, name), { recursive: true });
    for (let i = 0; i < 100; i++) {
      const image = new PNG({ width: 8, height: 8 });
      for (let p = 0; p < 64; p++) {
        const along = name === 'across' ? Math.floor(p / 8) : p % 8;
        const bright = (along + i) % 4 < 2 ? 200 + (i % 7) : (i % 50) + (p % 5);
        image.data.set([bright, bright, 255 - bright, 255], 4 * p);
      }
      await writeFile(join(path, name, `${i}.png`), PNG.sync.write(image));
    }
  }
}

describe('farmer classifier and farmer metrics', () => {
  it('train in two parts as in one', async () => {
    const at = (name: string) => join(folder, name);
    const choices = ['--epochs', '3', '--batch', '16', '--width', '8', '--blocks', '0'];
    const train = (out: string, ...more: string[]) =>
      runCli(
        ...['classifier', 'train', '--data', at('stripes'), '--out', at(out), ...choices],
        ...[...more, ...cpu],
      );
    const whole = results(await train('whole.safetensors'));
    const part = results(await train('parts.safetensors', '--until', '15'));
    expect(part).toMatchObject({ step: 15, steps: whole['steps'], run: at('parts-run') });
    expect(existsSync(at('parts.safetensors'))).toBe(false);
    const other = await train('parts.safetensors', '--shift', '1');
    expect(other.code).toBe(1);
    expect(other.stderr).toMatch(
      /another run \(training\.augmentation\.shift 2, not 1\).*that run$/m,
    );
    const resumed = await train('parts.safetensors');
    expect(resumed.stderr).toContain(`resuming    at step 15 of ${String(whole['steps'])}`);
    expect(results(resumed)['testAccuracy']).toBe(whole['testAccuracy']);
    const [a, b] = await Promise.all(
      ['whole', 'parts'].map(async (name) => {
        const path = at(`${name}.safetensors`);
        return decodeSafetensors(await readFile(path), path).tensors;
      }),
    );
    expect(b).toEqual(a);
  });

  it('train on any folder, check, and measure a model of it', async () => {
    const [data, file, run] = ['stripes', 'c.safetensors', 'run'].map((name) => join(folder, name));
    const choices = ['--epochs', '15', '--batch', '16', '--width', '8', '--blocks', '0'];
    const trained = results(
      await runCliWell('classifier', 'train', '--data', data!, '--out', file!, ...choices, ...cpu),
    );
    expect(trained['testAccuracy']).toBeGreaterThan(0.9);
    const checked = results(await runCliWell('classifier', 'eval', '--classifier', file!, ...cpu));
    expect(checked['accuracy']).toBe(trained['testAccuracy']);
    const foreign = ['classifier', 'eval', '--classifier', file!, '--data', 'mnist', ...cpu];
    expect((await runCli(...foreign)).stderr).toContain(
      'classifies images of 8 × 8 × 3 in 2 classes, but those of "mnist test" are 28 × 28 × 1',
    );

    const sizes = ['patch=4', 'flow.blocks=1', 'flow.width=8', 'flow.heads=2', 'ar.layers=1']
      .concat(['ar.width=8', 'ar.heads=2'])
      .flatMap((part) => ['--set', `model.${part}`]);
    await runCliWell(
      ...['train', '--data', data!, '--run', run!, '--steps', '5', '--sample-steps', '0'],
      ...['--set', 'training.batch=8', '--set', 'training.warmup=2', ...sizes, ...cpu],
    );
    const model = ['--run', run!, '--classifier', file!];
    const tooMany = await runCli('metrics', ...model, '--samples', '5000', ...cpu);
    expect(tooMany.code).toBe(1);
    expect(tooMany.stderr).toMatch(/error: --samples 5000 is more than the \d+ images of/);

    const measured = results(await runCliWell('metrics', ...model, '--samples', '10', ...cpu)) as {
      samples: Record<string, number>;
      test: Record<string, number>;
      memorisation: Record<string, unknown>;
    };
    // A model after five steps draws noise.
    expect(measured.test['classAccuracy']).toBeGreaterThan(0.8);
    expect(measured.samples['frechetDistance']).toBeGreaterThan(measured.test['frechetDistance']!);
    expect(measured.memorisation['copies']).toBe(0);
    for (const share of ['precision', 'recall', 'classAccuracy']) {
      expect(measured.samples[share]).toBeGreaterThanOrEqual(0);
      expect(measured.samples[share]).toBeLessThanOrEqual(1);
    }
  });

  it('scale images of several sizes', async () => {
    const data = join(folder, 'sizes');
    await writeStripes(data);
    await writeFile(join(data, 'down', '0.png'), PNG.sync.write(new PNG({ width: 9, height: 5 })));
    const listed = await runCli('data', '--data', data, '--json');
    expect(listed.stderr).toContain('scale all images to one size, with --image-size');
    const scaled = ['--data', data, '--image-size', '4', '--json'];
    expect(results(await runCliWell('data', ...scaled))).toMatchObject({
      datasets: [{ shape: [4, 4, 3], classes: 2 }],
    });
    const [file, choices] = [join(folder, 's.safetensors'), ['--epochs', '1', '--width', '4']];
    await runCliWell('classifier', 'train', '--out', file, ...choices, ...scaled, ...cpu);
    await runCliWell('classifier', 'eval', '--classifier', file, ...cpu);
  });

  it('name what does not fit', async () => {
    const empty = await runCli('classifier', 'eval', '--data', 'twemoji', '--device', 'cpu');
    expect(empty.stderr).toMatch(
      /error: no classifier comes with the project for "twemoji".*farmer classifier train/,
    );
    const png = join(folder, 'stripes', 'down', '0.png');
    const damaged = await runCli('classifier', 'eval', '--classifier', png, '--device', 'cpu');
    expect(damaged.stderr).toContain(`error: ${png}`);
    expect([empty.code, damaged.code]).toEqual([1, 1]);
  });
});
