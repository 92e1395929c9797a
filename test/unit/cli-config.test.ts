import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  applyOverrides,
  configDifferences,
  dottedKeys,
  mergeConfig,
} from '../../packages/farmer/cli/config-overrides.ts';
import { parseRunConfig, resolveRun, withStepCount } from '../../packages/farmer/cli/run-config.ts';
import { parseConfig, preset } from '../../packages/farmer/src/index.ts';

const tiny = preset('tiny');
const set = (...assignments: string[]) => parseConfig(applyOverrides(tiny, assignments), '--set');

describe('--set', () => {
  it('changes numbers, booleans, lists and bare words, the last one wins, and leaves the rest', () => {
    const changed = set(
      'model.ar.width=96',
      'model.pixels=uniform',
      'model.finalPermutation=false',
      'training.betas=[0.8, 0.9]',
      'training.batch=1',
      'training.batch=64',
    );
    expect(configDifferences(tiny, changed).sort()).toEqual([
      'model.ar.width 64, not 96',
      'model.finalPermutation true, not false',
      'model.pixels "cdf", not "uniform"',
      'training.batch 32, not 64',
      'training.betas [0.9,0.95], not [0.8,0.9]',
    ]);
    expect(tiny).toEqual(preset('tiny'));
  });

  it.each([
    ['modle.ar.width=96', 'unknown key; did you mean "model.ar.width"?'],
    ['training.bach=96', 'unknown key; did you mean "training.batch"?'],
    ['model.ar.width.x=1', 'unknown key'],
    ['__proto__.polluted=1', 'unknown key'],
    ['training.batch', 'expected key=value'],
    ['=3', 'expected key=value'],
    ['training.batch=-4', 'training.batch is -4'],
    ['training.batch=many', 'training.batch is "many"'],
    ['training.batch=1.5', 'training.batch is 1.5'],
    ['model.informativeChannels=17', 'is more than the 16 channels of a token'],
    ['model.ar.heads=7', 'model.ar.width 64 is not a multiple of model.ar.heads 7'],
    ['training.steps=100', 'training.warmup 200 is not less than training.steps 100'],
    ['model.ar={"layers":1,"width":8,"heads":2,"depth":3}', 'unknown key "model.ar.depth"'],
  ])('rejects %s', (assignment, message) => {
    expect(() => set(assignment)).toThrow(message);
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  it('knows every key of a configuration', () => {
    expect(dottedKeys({ a: { b: 1, c: [2] }, d: 'x' })).toEqual(['a', 'a.b', 'a.c', 'd']);
  });
});

describe('mergeConfig', () => {
  it('merges objects, replaces the rest, and keeps unknown keys to be rejected', () => {
    expect(mergeConfig({ a: { b: 1, c: 2 }, d: [1] }, { a: { c: 3 }, d: [4, 5] })).toEqual({
      a: { b: 1, c: 3 },
      d: [4, 5],
    });
    expect(() => parseConfig(mergeConfig(tiny, { modle: {} }), 'file.json')).toThrow(
      'file.json: unknown key "modle"; did you mean "model"?',
    );
  });
});

describe('withStepCount', () => {
  it.each([20, 130, 4200, 100000])('leaves a schedule that fits %i steps', (steps) => {
    const { training } = parseConfig(withStepCount(tiny, steps), 'test');
    expect(training.steps).toBe(steps);
    expect(training.warmup).toBeLessThanOrEqual(steps / 10);
    expect(training.warmup).toBeLessThanOrEqual(tiny.training.warmup);
  });
});

describe('a run', () => {
  const choices = { preset: 'tiny', data: 'mnist', trainImages: 30, set: [], seed: 7 };
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'run-config-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const file = async (content: unknown) => {
    const path = join(folder, 'config.json');
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  };

  it('takes preset, then file, then --steps, then --set', async () => {
    const config = await file({ training: { batch: 16, clip: 2, weightDecay: 0 } });
    const options = ['training.clip=3', 'training.warmup=4'];
    const { run, dataset } = await resolveRun({ ...choices, config, steps: 50, set: options });
    expect(run.config.training).toMatchObject({ batch: 16, clip: 3, weightDecay: 0 });
    expect(run.config.training).toMatchObject({ steps: 50, warmup: 4 });
    expect(dataset.count).toBe(30);
    expect(parseRunConfig(JSON.parse(JSON.stringify(run)), 'copy')).toEqual(run);
    // A run's own config.json serves as a configuration file.
    const again = await resolveRun({ ...choices, config: await file(run) });
    expect(again.run.config).toEqual(run.config);
  });

  it.each([
    ['{"training": {"bach": 1}}', 'unknown key "training.bach"; did you mean "training.batch"?'],
    ['{"model": {"image": {"height": 32}}}', 'model.image is 32 × 28 × 1, but the images of'],
    ['{"model": {"classes": 11}}', 'model.classes is 11, but'],
    ['[1]', 'expected a JSON object'],
    ['{', 'cannot read the configuration'],
  ])('rejects the file %s', async (content, message) => {
    await expect(resolveRun({ ...choices, config: await file(content) })).rejects.toThrow(message);
  });

  it('rejects a saved configuration with a wrong or unknown part', () => {
    const run = { data: 'mnist', seed: 0, config: tiny };
    expect(() => parseRunConfig({ ...run, seed: -1 }, 'f')).toThrow('f: seed');
    expect(() => parseRunConfig({ ...run, speed: 1 }, 'f')).toThrow('speed');
    expect(() => parseRunConfig({ data: 'mnist', seed: 0 }, 'f')).toThrow('f: ');
  });
});
