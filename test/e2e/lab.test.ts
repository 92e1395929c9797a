import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { map, ndarray, sum } from '@farmer/tensor';
import { openDevice } from '@farmer/tensor/node';
import { families } from '../../benchmarks/lab/families.ts';
import type { Family } from '../../benchmarks/lab/family.ts';
import { measure, type Result } from '../../benchmarks/lab/measure.ts';
import { readReport } from '../../benchmarks/lab/report.ts';

const root = resolve(import.meta.dirname, '../..');
const quick = ['--adapter', 'swiftshader', '--seconds', '0.01'];

/** Runs the lab's command line. */
const lab = (...args: string[]): Promise<{ stdout: string; stderr: string }> =>
  promisify(execFile)(process.execPath, ['--import', 'tsx', 'benchmarks/lab/main.ts', ...args], {
    cwd: root,
  });

/** The message with which it fails. */
const failure = async (...args: string[]): Promise<string> => {
  const { stderr } = (await lab(...args).catch((error: unknown) => error)) as { stderr: string };
  return stderr;
};

describe('the kernel lab', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'lab-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('measures, writes both files, and compares two', async () => {
    const [a, b] = [join(folder, 'a.json'), join(folder, 'b.json')];
    const softmax = ['--op', 'softmax', '--shape', '5,12'];
    await lab(...softmax, ...quick, '--out', a);
    await lab(...softmax, '--variant', 'selected', ...quick, '--out', b);
    const report = readReport(a);
    expect(report).toMatchObject({ adapter: 'swiftshader', node: process.version });
    expect(report.processor).not.toBe('');
    expect(report.ceiling.gflops).toBeGreaterThan(0);
    expect(report.results.map(({ variant }) => variant)).toContain('1-composed');
    for (const { shape, timing, gbps } of report.results) {
      expect(shape).toEqual([5, 12]);
      expect(timing!.median).toBeGreaterThan(0);
      expect(timing!.gpu).toBeGreaterThan(0);
      expect(gbps).toBeGreaterThan(0);
    }
    expect(readFileSync(join(folder, 'a.md'), 'utf8')).toContain('## softmax 5 × 12');
    const { stdout } = await lab('--compare', a, b);
    expect(stdout).toMatch(/\| softmax 5 × 12, selected \| [\d.e-]+ \| [\d.e-]+ \| [\d.]+ \|/);
    expect(stdout).toContain('In one alone, or not timed: softmax 5 × 12, 1-composed');
  });

  test('measures the CPU', async () => {
    const file = join(folder, 'cpu.json');
    const args = ['--device', 'cpu', '--op', 'matmul', '--shape', '8,8,8', '--seconds', '0.01'];
    await lab(...args, '--out', file);
    const report = readReport(file);
    expect(report.adapter).toBe('cpu');
    expect(report.results.at(-1)).toMatchObject({ variant: 'selected', op: 'matmul' });
  });

  test('prints the WGSL of a variant', async () => {
    const args = ['--op', 'matmul', '--variant', '3', '--shape', '64,64,64', '--wgsl'];
    const { stdout } = await lab(...args, ...quick);
    expect(stdout).toContain('var<workgroup> slab_a');
    expect(stdout).not.toContain('enable subgroups');
  });

  test('refuses what it does not know, with the nearest', async () => {
    expect(await failure('--opp', 'matmul')).toContain('Did you mean --op?');
    expect(await failure('--op', 'mattmul')).toContain('did you mean "matmul"?');
    expect(await failure('--op', 'matmul', '--shape', '3,3')).toContain(
      'm,n,k, such as 256,256,256',
    );
    expect(await failure('--op', 'matmul', '--variant', 'tille', ...quick)).toContain(
      'did you mean "3-tile"?',
    );
    expect(await failure('--compare', 'package.json', 'package.json')).toContain(
      'package.json is no result of the lab',
    );
  });
});

const device = await openDevice({ adapter: 'swiftshader' });
afterAll(() => device.destroy());

async function resultsOf(family: Family): Promise<Result[]> {
  const results: Result[] = [];
  for await (const result of measure(device, family, [7], { seconds: 0.01 })) results.push(result);
  return results;
}

test('a wrong variant is reported, and not timed', async () => {
  const family: Family = {
    name: 'double',
    axes: ['size'],
    shapes: [[7]],
    work: ([size]) => ({
      inputs: [ndarray([size!], new Float32Array(size!).fill(1.5))],
      reference: () => [ndarray([size!], new Float32Array(size!).fill(3))],
      tolerance: { absolute: 1e-5, relative: 0 },
      bytes: 8 * size!,
      variants: [
        { name: '1-off-by-a-little', run: ([x]) => [map('2.001 * x', { x: x! })] },
        { name: '2-too-few', run: ([x]) => [sum(x!)] },
        { name: '3-right', run: ([x]) => [map('x + x', { x: x! })] },
      ],
    }),
  };
  const [off, tooFew, right] = await resultsOf(family);
  expect(off!.wrong).toMatch(/^output 0, element 0 is 3\.0\d* instead of 3$/);
  expect(tooFew!.wrong).toBe('output 0 has 1 values instead of 7');
  for (const wrong of [off!, tooFew!]) {
    expect(wrong.timing).toBeUndefined();
    expect(wrong.gbps).toBeUndefined();
  }
  expect(right!.wrong).toBeUndefined();
  expect(right!.timing!.median).toBeGreaterThan(0);
});

// A small shape of each op, so that all operands and references fit their ops.
const small: Readonly<Record<string, readonly number[]>> = {
  m: [5, 8, 12],
  rows: [3, 20],
  'batch, queries': [2, 5, 5, 8, 2],
  'batch, tokens': [2, 5, 6],
  groups: [3, 2, 4, 3],
  size: [33],
};

describe.each(families)('$name', (family) => {
  test('every variant is right at a small shape', async () => {
    const key = Object.keys(small).find((start) => family.axes.join(', ').startsWith(start));
    const shape = small[key!]!;
    const variants: string[] = [];
    for await (const result of measure(device, family, shape, { seconds: 0.001 })) {
      expect(result.wrong, result.variant).toBeUndefined();
      variants.push(result.variant);
    }
    expect(variants.at(-1)).toBe('selected');
    expect(new Set(variants).size).toBe(variants.length);
  });
});
