import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseClass } from '../../packages/farmer/cli/class-option.ts';
import { describeError } from '../../packages/farmer/cli/errors.ts';
import { modelName } from '../../packages/farmer/cli/model-options.ts';
import { formatDuration, formatProgress } from '../../packages/farmer/cli/progress.ts';
import { shellWord } from '../../packages/farmer/cli/shell-word.ts';
import { stepsWithin } from '../../packages/farmer/cli/time-budget.ts';

describe('progress', () => {
  it('shows what is known so far', () => {
    expect(formatProgress({ step: 1, steps: 200 })).toBe('step   1/200');
    expect(
      formatProgress({
        step: 40,
        steps: 200,
        metrics: { loss: 1.23456, bitsPerDim: 0.98765 },
        imagesPerSecond: 12.345,
        secondsLeft: 75,
      }),
    ).toBe('step  40/200  loss 1.2346  0.9877 bits/dim  12.3 images/s  1m 15s left');
  });

  it.each([
    [0, '0s'],
    [59.4, '59s'],
    [59.6, '1m 00s'],
    [185, '3m 05s'],
    [3600, '1h 00m'],
    [3599.7, '1h 00m'],
    [7620, '2h 07m'],
  ])('formats %f seconds', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
});

describe('shellWord', () => {
  it.each([
    ['runs/tiny-mnist-0', 'runs/tiny-mnist-0'],
    ['my run', "'my run'"],
    ["it's $HOME", "'it'\\''s $HOME'"],
    ['', "''"],
  ])('of %j is %s', (text, word) => {
    expect(shellWord(text)).toBe(word);
  });
});

describe('modelName', () => {
  it.each([
    ['weights/mnist-tiny.safetensors', 'mnist-tiny'],
    ['runs/tiny-mnist-0/checkpoint.safetensors', 'tiny-mnist-0'],
    ['checkpoint.safetensors', basename(process.cwd())],
  ])('of %s is %s', (checkpoint, name) => {
    expect(modelName(checkpoint)).toBe(name);
  });
});

describe('stepsWithin', () => {
  it.each([
    [100, 0.1, 1000],
    [257, 0.1, 2500],
    [12.9, 0.1, 120],
    [1, 10, 10],
    [0, 1, 10],
    [-5, 1, 10],
  ])('%f s at %f s a step', (seconds, perStep, steps) => {
    expect(stepsWithin(seconds, perStep)).toBe(steps);
  });
});

describe('parseClass', () => {
  const names = ['T-shirt/top', 'Trouser', 'Bag'];
  it('takes numbers, names in any case, and "none"', () => {
    expect(['0', '2', 'bag', 'none'].map((text) => parseClass(text, names))).toEqual([0, 2, 2, 3]);
    // A digit's name is the digit: the names of MNIST come first.
    expect(parseClass('1', ['0', '1'])).toBe(1);
    expect(['A', 'a'].map((text) => parseClass(text, ['A', 'a']))).toEqual([0, 1]);
  });
  it.each([
    ['3', 'out of range: the model has classes 0 to 2'],
    ['-1', 'out of range'],
    ['1.5', 'out of range'],
    ['Trousers', 'did you mean "Trouser"?'],
    ['', 'is no class'],
  ])('rejects "%s"', (text, message) => {
    expect(() => parseClass(text, names)).toThrow(message);
  });
});

describe('describeError', () => {
  const error = new Error('no adapter.\n  tried: x\n  tried: y', { cause: new Error('deep') });
  it('is one line', () => {
    expect(describeError(error, false)).toBe('no adapter. tried: x tried: y');
  });
  it('shows traces and causes to who asks for them', () => {
    expect(describeError(error, true)).toMatch(/tried: y\n\s+at [^]*caused by Error: deep\n\s+at /);
  });
});
