import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { layerNorm, matmul, softmax, tensor, type WebGpuDevice } from '@farmer/tensor';
import { openDevice } from '@farmer/tensor/node';
import { kernel, type Kernel } from '../../packages/tensor/src/webgpu/kernel.ts';
import { runRowWork } from '../../packages/tensor/src/webgpu/rows/tune.ts';

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

  test('measures row kernels by family and rounded shape, and uses what it kept', async () => {
    const rows = (on: WebGpuDevice) =>
      tensor(
        Float32Array.from({ length: 70 * 50 }, (_, i) => i % 50),
        [70, 50],
        'f32',
        on,
      );
    const values = Array.from(await softmax(rows(device)).data());
    for (let row = 0; row < 70; row++) {
      const sum = values.slice(row * 50, (row + 1) * 50).reduce((a, b) => a + b, 0);
      expect(sum).toBeCloseTo(1, 5);
    }
    const [adapter, choices] = Object.entries(readChoices())[0]!;
    expect(choices['softmax 128x64 scalar']).toMatch(/^\d-/);

    const forced = { 'softmax 128x64 scalar': '3-barriers-64' };
    writeFileSync(file, JSON.stringify({ [adapter]: forced }));
    const next = await open();
    const x = rows(next);
    const graph = next.capture(() => softmax(x).dispose());
    expect(graph.kernels.map(({ source }) => source)).toEqual([
      expect.stringContaining('array<f32, 64>'),
    ]);
    graph.dispose();
    next.destroy();
  });

  test('a trial runs when its operands, temporaries among them, are gone', async () => {
    const x = tensor(new Float32Array(6 * 36).fill(1), [6, 36], 'f32', device);
    const scale = tensor(new Float32Array(36).fill(1), [36], 'f32', device);
    const y = layerNorm(x, scale, scale);
    for (const each of [x, scale]) each.dispose();
    expect(new Set(await y.data())).toEqual(new Set([1]));
    y.dispose();
    expect(Object.keys(Object.values(readChoices())[0]!)).toContain('layer-norm 8x64 vec4');
  });

  const variants = (['right', 'other'] as const).map((name) => ({
    ...{ name, lanes: 1, workgroup: 64, subgroup: 0 },
  }));

  /** A kernel of x and y whose invocations do `body` with their index `i`. */
  const made = (name: string, T: 'f32' | 'i32', body: string, workgroup = 64) =>
    kernel({
      name: `test ${name}`,
      bindings: { x: `read ${T}`, y: `write ${T}` },
      uniforms: { count: 'u32' },
      code: `
@compute @workgroup_size(${workgroup})
fn main(@builtin(global_invocation_id) at: vec3u) {
  let i = at.x;
  ${body}
}`,
    });

  /** Lets a trial choose between the variants' kernels, of which the table has the right one. */
  const chooseKernel = async (
    name: string,
    T: 'f32' | 'i32',
    kernelOf: (variant: string) => Kernel,
  ) => {
    const [x, y] = [1, 2].map(() => tensor(new Float32Array(64), [64], T, device));
    device.runKernel<undefined>(
      (run) =>
        runRowWork(run, {
          table: { variants: () => variants, select: () => variants[0]! },
          ...{ rows: 64, length: 9, buffers: [x!, y!], uniforms: [64] },
          kernel: (variant) => kernelOf(variant.name),
        }),
      { inputs: [], outputs: [] },
      undefined,
    );
    await y!.data();
    [x, y].forEach((each) => each!.dispose());
    return Object.values(readChoices())[0]![`test ${name} 64x16 scalar`];
  };

  test.each([
    ['integers', 'x[i]', '0'],
    ['what it writes itself', '2 * y[i]', 'y[i] + 1'],
  ])('a fast variant that is wrong is not taken: of %s', async (name, right, wrong) => {
    const T = name === 'integers' ? 'i32' : 'f32';
    const body = (value: string, turns: number) => `
  var value = ${value};
  for (var j = 0u; j < ${turns}u * u.count; j++) { value = max(value, ${value}); }
  y[i] = value;`;
    const kernels: Record<string, Kernel> = {
      right: made(name, T, body(right, 1000)),
      other: made(name, T, body(wrong, 0)),
    };
    expect(await chooseKernel(name, T, (variant) => kernels[variant]!)).toBe('right');
  });

  const failing: Record<string, (name: string) => Kernel> = {
    'does not compile': (name) => made(name, 'f32', 'y[i] = nothing;'),
    'is too large': (name) => made(name, 'f32', 'y[i] = f32(u.count);', 65536),
    'takes another number of buffers': (name) =>
      kernel({
        name: `test ${name}`,
        bindings: { x: 'read f32', y: 'write f32', z: 'write f32' },
        uniforms: { count: 'u32' },
        code: '@compute @workgroup_size(64) fn main() { y[0] = z[0] + x[0] + f32(u.count); }',
      }),
    throws: () => {
      throw new Error('no kernel\nof that kind');
    },
  };
  test.each(Object.keys(failing))('a variant that %s is left out, on a line', async (name) => {
    const right = made(name, 'f32', 'y[i] = x[i] + f32(u.count);');
    const errors = vi.spyOn(console, 'error').mockImplementation(() => {});
    const chosen = await chooseKernel(name, 'f32', (variant) =>
      variant === 'right' ? right : failing[name]!(name),
    );
    const lines = errors.mock.calls.map(([line]) => String(line));
    errors.mockRestore();
    expect(chosen).toBe('right');
    expect(lines).toEqual([
      expect.stringMatching(`^autotune: test ${name} 64x16 scalar leaves out other: .+$`),
    ]);
    // The device has heard of nothing.
    const x = tensor([1, 2], [2], 'f32', device);
    await device.synchronize();
    expect([...(await x.data())]).toEqual([1, 2]);
    x.dispose();
  });
});
