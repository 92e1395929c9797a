import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Autotuner } from '@farmer/tensor';
import { openTuner } from '@farmer/tensor/node';

describe('Autotuner', () => {
  test('answers once its trial has run, and tells all choices', async () => {
    const saved: unknown[] = [];
    const tuner = new Autotuner({ old: 'a' }, (choices) => saved.push(choices));
    const trial = vi.fn(() => Promise.resolve('b'));
    expect(tuner.find('old', trial)).toBe('a');
    expect(tuner.find('new', trial)).toBe(undefined);
    await tuner.runTrials();
    expect(tuner.find('new', trial)).toBe('b');
    await tuner.runTrials();
    expect(trial).toHaveBeenCalledTimes(1);
    expect(saved).toEqual([{ old: 'a', new: 'b' }]);
  });

  test('goes on after a trial that failed, which is not run again', async () => {
    const saved: unknown[] = [];
    const tuner = new Autotuner({}, (choices) => saved.push(choices));
    const failing = vi.fn(() => Promise.reject(new Error('no memory\nat all')));
    const error = vi.spyOn(console, 'error').mockImplementation(() => {});
    tuner.find('large', failing);
    tuner.find('small', () => Promise.resolve('a'));
    await tuner.runTrials();
    expect(error.mock.calls).toEqual([
      ['autotune: large keeps the variant of the table: no memory'],
    ]);
    error.mockRestore();
    expect(tuner.find('large', failing)).toBe(undefined);
    expect(tuner.find('small', failing)).toBe('a');
    await tuner.runTrials();
    expect(failing).toHaveBeenCalledTimes(1);
    expect(saved).toEqual([{ small: 'a' }]);
  });

  test('what a trial runs asks for no trial', async () => {
    const tuner = new Autotuner({}, () => {});
    const inner = vi.fn(() => Promise.resolve('x'));
    tuner.find('outer', async () => {
      tuner.find('inner', inner);
      await tuner.runTrials();
      return 'y';
    });
    await tuner.runTrials();
    await tuner.runTrials();
    expect(inner).not.toHaveBeenCalled();
  });
});

describe('the file of measured choices', () => {
  let file: string;
  beforeEach(() => {
    file = join(mkdtempSync(join(tmpdir(), 'farmer-')), 'farmer', 'autotune.json');
  });
  afterEach(() => {
    vi.restoreAllMocks();
    rmSync(dirname(dirname(file)), { recursive: true, force: true });
  });

  const measure = async (adapter: string, shapeClass: string, choice: string) => {
    const tuner = openTuner(adapter, file);
    tuner.find(shapeClass, () => Promise.resolve(choice));
    await tuner.runTrials();
  };
  const known = (adapter: string, shapeClass: string) =>
    openTuner(adapter, file).find(shapeClass, () => Promise.reject(new Error('not to be run')));

  test('keeps choices by adapter, and leaves nothing beside itself', async () => {
    await measure('one', 'matmul', 'tile');
    await measure('two', 'matmul', 'naive');
    await measure('one', 'other', 'subgroup');
    expect(known('one', 'matmul')).toBe('tile');
    expect(known('one', 'other')).toBe('subgroup');
    expect(known('two', 'matmul')).toBe('naive');
    expect(known('three', 'matmul')).toBe(undefined);
    expect(readdirSync(dirname(file))).toEqual(['autotune.json']);
  });

  test.each(['{"one": {"matmul"', '[]', '{"one": {"matmul": 3}}'])(
    'is built anew where it is damaged: %s',
    async (text) => {
      await measure('one', 'matmul', 'tile');
      writeFileSync(file, text);
      const error = vi.spyOn(console, 'error').mockImplementation(() => {});
      expect(known('one', 'matmul')).toBe(undefined);
      expect(error.mock.calls.join()).toContain('damaged');
      await measure('one', 'matmul', 'naive');
      expect(known('one', 'matmul')).toBe('naive');
    },
  );

  test('one that cannot be written is reported', async () => {
    writeFileSync(dirname(file), 'no folder');
    const error = vi.spyOn(console, 'error').mockImplementation(() => {});
    await measure('one', 'matmul', 'tile');
    expect(error.mock.calls.join()).toContain('cannot write');
    expect(existsSync(file)).toBe(false);
    expect(readFileSync(dirname(file), 'utf8')).toBe('no folder');
  });
});
