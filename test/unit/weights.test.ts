import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { weightsFile } from '../../packages/farmer/cli/weights.ts';

const before = process.cwd();
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weights-'));
  process.chdir(folder);
});
afterEach(async () => {
  process.chdir(before);
  await rm(folder, { recursive: true });
});

const shipped = join(before, 'weights', 'mnist-tiny.safetensors');

test('a name is that of shipped weights, with or without its dataset, else of a file', async () => {
  expect(weightsFile('tiny')).toBe(shipped);
  expect(weightsFile('mnist-tiny')).toBe(shipped);
  await writeFile('mine', '');
  expect(weightsFile('mine')).toBe('mine');
  expect(weightsFile('tiny.safetensors')).toBe('tiny.safetensors');
  expect(() => weightsFile('mnist-tinny')).toThrow('did you mean "mnist-tiny"?');
});

test('a folder does not hide shipped weights, and a file of their name is refused', async () => {
  await mkdir('tiny');
  expect(weightsFile('tiny')).toBe(shipped);
  await writeFile('mnist-tiny', '');
  expect(() => weightsFile('mnist-tiny')).toThrow(
    `"mnist-tiny" is both a file here and shipped weights: give ./mnist-tiny or ${shipped}`,
  );
  expect(weightsFile('./mnist-tiny')).toBe('./mnist-tiny');
  expect(weightsFile('tiny')).toBe(shipped);
});
