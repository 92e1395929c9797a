import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

async function run(example: string): Promise<string> {
  const tsx = resolve(root, 'node_modules/.bin/tsx');
  const { stdout } = await promisify(execFile)(tsx, [`examples/${example}`], { cwd: root });
  return stdout;
}

const numberAfter = (text: string, output: string) =>
  Number(output.split(text)[1]?.match(/-?[\d.e-]+/)?.[0]);

test('1-tensors computes', async () => {
  const output = await run('1-tensors.ts');
  expect(output).toContain('14, 32, 32, 77');
  expect(numberAfter('sum to', output)).toBeCloseTo(2, 5);
});

test('2-gradients fits a sine', async () => {
  expect(numberAfter('400 steps:', await run('2-gradients.ts'))).toBeLessThan(0.01);
});

test('3-flow comes near the entropy of two moons, from below, and inverts', async () => {
  const output = await run('3-flow.ts');
  const reached = numberAfter('log-likelihood:', output);
  const best = numberAfter('true density:', output);
  expect(reached).toBeLessThan(best + 0.02);
  expect(reached).toBeGreaterThan(best - 0.25);
  expect(numberAfter('error:', output)).toBeLessThan(1e-3);
});

test('4-farmer learns bars, and draws them', async () => {
  const output = await run('4-farmer.ts');
  const reached = numberAfter('test bits/dim:', output);
  const independent = numberAfter('independent pixels:', output);
  const best = numberAfter('entropy:', output);
  expect(reached).toBeLessThan((independent + best) / 2);
  expect(reached).toBeGreaterThan(best - 0.02);
  expect(output.match(/^((██|··){8}( {2}|$)){4}/gm)).toHaveLength(8);
});

test('5-inside adds up the parts, loses nothing to the flow, and draws three rows of digits', async () => {
  const output = await run('5-inside.ts');
  const parts = ['informative:', 'redundant:', 'logDet:', 'pixels:'];
  const sum = parts.reduce((total, part) => total + numberAfter(part, output), 0);
  expect(sum).toBeCloseTo(numberAfter('test images:', output), 2);
  expect(numberAfter('at most', output)).toBe(0);
  expect(output.match(/^[ ▀▄█]*[▀▄█]{2}[ ▀▄█]*$/gm)?.length).toBeGreaterThan(3 * 8);
});
