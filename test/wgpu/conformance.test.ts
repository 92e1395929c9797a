import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { registry } from '@farmer/tensor';
import { bundle } from '../../packages/farmer/cli/page/files.ts';
import { unpackSwiftShader } from '../../packages/tensor/node/swiftshader.ts';

interface Answer {
  readonly adapter: string;
  readonly ops: readonly string[];
  readonly wrong: readonly string[];
}

// Node and Chromium have Dawn and its compiler, Tint; Deno and Firefox have wgpu and its compiler, Naga, which also does
// not know subgroups.
describe('on another implementation of WebGPU, Deno’s wgpu over SwiftShader,', () => {
  test.each([
    ['for software adapters', 'software', 5],
    // With barriers, which are slow there.
    ['for hardware', 'hardware', 2],
  ])('every op’s kernels %s give its values and gradients', async (_, kind, cases) => {
    const { adapter, ops, wrong } = await check(kind, cases);
    expect(adapter).toMatch(/SwiftShader/);
    expect(ops).toEqual(registry.map(({ name }) => name));
    expect(wrong).toEqual([]);
  });
});

/** @throws what Deno printed when the program ended without an answer */
async function check(kind: string, cases: number): Promise<Answer> {
  const { driverFile, loader } = unpackSwiftShader();
  const folder = import.meta.dirname;
  const deno = spawn(
    join(folder, 'node_modules/.bin/deno'),
    ['run', '--allow-env', '--unstable-webgpu', '-', kind, String(cases)],
    {
      env: { ...process.env, VK_DRIVER_FILES: driverFile, LD_LIBRARY_PATH: dirname(loader) },
    },
  );
  deno.stdin.end(await bundle(join(folder, 'program.ts')));
  const [answer, errors] = await Promise.all([text(deno.stdout), text(deno.stderr)]);
  if (!answer) throw new Error(errors || 'Deno said nothing');
  return JSON.parse(answer) as Answer;
}
