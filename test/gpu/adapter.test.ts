import { execFile } from 'node:child_process';
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { formatDoctor, openDevice, probeAdapter } from '@farmer/tensor/node';
import { testAdapters } from '../support/devices.ts';

const script = fileURLToPath(new URL('support/square-on-adapter.ts', import.meta.url));

interface Child {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the script in its own process, so that each test meets a fresh Vulkan loader. */
function runChild(arguments_: string[], env: Record<string, string> = {}): Promise<Child> {
  const args = ['--import', 'tsx', script, ...arguments_];
  const inherited = { ...process.env };
  delete inherited['FARMER_ADAPTER'];
  return new Promise((resolve) => {
    const options = { env: { ...inherited, ...env }, timeout: 60_000 };
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}

interface Squares {
  readonly kind: string;
  readonly name: string;
  readonly chosenBy: string;
  readonly rejected: readonly { what: string; why: string }[];
  readonly subgroupMinSize: number;
  readonly maxStorageBufferBindingSize: number;
  readonly squares: readonly number[];
}

const expectedSquares = Array.from({ length: 1000 }, (_, i) => i * i);

async function squaresOn(choice: string | undefined, env: Record<string, string> = {}) {
  const child = await runChild(choice === undefined ? [] : [choice], env);
  expect(child.code, child.stderr).toBe(0);
  const result = JSON.parse(child.stdout) as Squares;
  expect(result.squares).toEqual(expectedSquares);
  return result;
}

const scratch: string[] = [];
function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'farmer-test-'));
  scratch.push(folder);
  return folder;
}
afterEach(() => {
  for (const folder of scratch.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const hasLavapipe = testAdapters.includes('lavapipe');

describe('a chosen adapter computes', () => {
  test.each(testAdapters)('%s, by option', async (choice) => {
    const result = await squaresOn(choice);
    expect(result.kind).toBe(choice);
    expect(result.chosenBy).toBe(`adapter ${choice}`);
    expect(result.subgroupMinSize).toBeGreaterThan(0);
    expect(result.maxStorageBufferBindingSize).toBeGreaterThanOrEqual(2 ** 27);
  });

  test.each(testAdapters)('%s, by environment', async (choice) => {
    const result = await squaresOn(undefined, { FARMER_ADAPTER: choice });
    expect(result.kind).toBe(choice);
    expect(result.chosenBy).toBe(`FARMER_ADAPTER=${choice}`);
  });

  test('the option outranks the environment', async () => {
    const result = await squaresOn('swiftshader', { FARMER_ADAPTER: 'nothing-like-it' });
    expect(result.kind).toBe('swiftshader');
  });

  test('by part of a name, in any case', async () => {
    expect((await squaresOn('SubZero')).kind).toBe('swiftshader');
    if (hasLavapipe) expect((await squaresOn('LLVMpipe')).kind).toBe('lavapipe');
  });

  test('auto takes a better adapter than the carried one where there is one', async () => {
    const result = await squaresOn(undefined);
    const expected = hasLavapipe ? ['hardware', 'lavapipe'] : ['hardware', 'swiftshader'];
    expect(expected).toContain(result.kind);
  });
});

describe('openDevice', () => {
  afterEach(() => vi.unstubAllEnvs());

  test('opens an adapter that is named, whatever the environment and "auto" say', async () => {
    const adapter = 'nothing-like-it';
    vi.stubEnv('FARMER_DEVICE', 'cpu');
    await expect(openDevice({ adapter })).rejects.toThrow(adapter);
    await expect(openDevice({ adapter, device: 'auto' })).rejects.toThrow(adapter);
    await expect(openDevice({ adapter, device: 'cpu' })).rejects.toThrow('give one of the two');
    vi.stubEnv('FARMER_ADAPTER', adapter);
    (await openDevice()).destroy();
    vi.stubEnv('FARMER_DEVICE', '');
    await expect(openDevice()).rejects.toThrow(adapter);
  });

  test('says which number of threads it cannot start', async () => {
    await expect(openDevice({ device: 'cpu', threads: 257 })).rejects.toThrow('got 257');
    vi.stubEnv('FARMER_THREADS', 'many');
    await expect(openDevice({ device: 'cpu' })).rejects.toThrow('got FARMER_THREADS=many');
  });
});

describe('the carried SwiftShader', () => {
  const noDrivers = { VK_DRIVER_FILES: '/nonexistent.json', VK_ICD_FILENAMES: '/nonexistent.json' };

  test('serves a machine without any driver, and says what was tried', async () => {
    const result = await squaresOn(undefined, noDrivers);
    expect(result.kind).toBe('swiftshader');
    expect(result.rejected.map(({ what }) => what)).toContain('lavapipe');
  });

  test('unpacks in two processes at once, and again after damage', async () => {
    const cache = temporaryFolder();
    const env = { XDG_CACHE_HOME: cache };
    await Promise.all([squaresOn('swiftshader', env), squaresOn('swiftshader', env)]);
    const [folder] = readdirSync(join(cache, 'farmer'));
    const files = join(cache, 'farmer', folder ?? 'missing');
    expect(readdirSync(files).filter((name) => name.startsWith('.unpacking'))).toEqual([]);
    appendFileSync(join(files, 'vk_swiftshader_icd.json'), '} damaged');
    expect((await squaresOn('swiftshader', env)).kind).toBe('swiftshader');
  });

  test('serves where the cache cannot be written, and leaves nothing behind', async () => {
    const temporary = temporaryFolder();
    const env = { XDG_CACHE_HOME: '/dev/null', TMPDIR: temporary };
    expect((await squaresOn('swiftshader', env)).kind).toBe('swiftshader');
    expect(readdirSync(temporary).filter((name) => name.startsWith('farmer-'))).toEqual([]);
  });
});

describe('without a fitting adapter', () => {
  test('an unknown name gives one line with the names that exist', async () => {
    const child = await runChild(['voodoo']);
    expect(child.code).toBe(1);
    const line = child.stderr.split('\n').find((text) => text.startsWith('NoAdapterError')) ?? '';
    expect(line).toContain('adapter voodoo names no adapter of this machine');
    expect(line).toContain("'SwiftShader Device (Subzero)'");
    if (hasLavapipe) expect(line).toMatch(/llvmpipe/);
    expect(line).toContain('choose auto, hardware, lavapipe, swiftshader');
  });

  test('no adapter at all ends with what was tried and the command that helps', async () => {
    const env = { XDG_CACHE_HOME: '/dev/null', VK_DRIVER_FILES: '/nonexistent.json' };
    const child = await runChild(['auto', '/dev/null'], env);
    expect(child.code).toBe(1);
    expect(child.stderr).toContain('NoAdapterError: no WebGPU adapter could be opened (auto)');
    expect(child.stderr).toMatch(/lavapipe: not installed on this system/);
    expect(child.stderr).toMatch(/SwiftShader from npm: .*dev.null/);
    expect(child.stderr).toMatch(/To get one: /);
  });
});

test('the report measures the default adapter', async () => {
  const report = await probeAdapter();
  expect(report.speed.matmulGflops).toBeGreaterThan(0.01);
  expect(report.speed.matmulError).toBeLessThan(1e-3);
  expect(report.speed.copyGBps).toBeGreaterThan(0.01);
  const named = Object.fromEntries(report.accuracy.map((entry) => [entry.name, entry]));
  expect(named['exp']?.maxRelative).toBeLessThan(1e-4);
  expect(named['log']?.maxAbsolute).toBeLessThan(1e-4);
  expect(named['tanh']?.maxAbsolute).toBeLessThan(1e-3);
  expect(named['sin']?.maxAbsolute).toBeLessThan(1e-3);
  const text = formatDoctor(report);
  expect(text).toContain(report.name);
  expect(text).toMatch(/GFLOP\/s/);
});
