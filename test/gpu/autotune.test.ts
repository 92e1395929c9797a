import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { matmul, tensor, type WebGpuDevice } from '@farmer/tensor';
import { openDevice } from '@farmer/tensor/node';

describe('autotune on swiftshader', () => {
  const folder = mkdtempSync(join(tmpdir(), 'farmer-'));
  const before = process.env.XDG_CACHE_HOME;
  let device: WebGpuDevice;

  beforeAll(async () => {
    // SwiftShader's own files are in the cache too, and are unpacked again.
    process.env.XDG_CACHE_HOME = folder;
    device = await open();
  });
  afterAll(() => {
    device.destroy();
    if (before === undefined) delete process.env.XDG_CACHE_HOME;
    else process.env.XDG_CACHE_HOME = before;
    rmSync(folder, { recursive: true, force: true });
  });

  const open = async () =>
    (await openDevice({ adapter: 'swiftshader', autotune: true })) as WebGpuDevice;
  const file = join(folder, 'farmer', 'autotune.json');
  const readChoices = () =>
    JSON.parse(readFileSync(file, 'utf8')) as Record<string, Record<string, string>>;
  const operands = (on: WebGpuDevice) =>
    [
      tensor(new Float32Array(70 * 50).fill(2), [70, 50], 'f32', on),
      tensor(new Float32Array(50 * 40).fill(3), [50, 40], 'f32', on),
    ] as const;

  test('measures a shape class at its first use, and keeps the choice', async () => {
    const values = await matmul(...operands(device)).data();
    expect(new Set(values)).toEqual(new Set([300]));
    const [adapter, choices] = Object.entries(readChoices())[0]!;
    expect(adapter).toContain('SwiftShader');
    expect(Object.keys(choices)).toEqual(['matmul 1x128x64x64 ab scalar']);
    expect(choices['matmul 1x128x64x64 ab scalar']).toMatch(/^matmul-\d/);
  });

  test('uses the kept choice in the next process, whatever the table says', async () => {
    const [adapter, choices] = Object.entries(readChoices())[0]!;
    const classes = Object.keys(choices);
    const forced = Object.fromEntries(classes.map((each) => [each, 'matmul-1-naive']));
    writeFileSync(file, JSON.stringify({ [adapter]: forced }));
    const next = await open();
    const [a, b] = operands(next);
    const graph = next.capture(() => matmul(a, b).dispose());
    expect(graph.kernels.map(({ name }) => name)).toEqual(['matmul-1-naive']);
    graph.dispose();
    next.destroy();
  });
});
