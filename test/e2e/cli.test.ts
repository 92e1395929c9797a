import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeSafetensors, encodeSafetensors } from '@farmer/nn';
import { readCheckpoint } from '../../packages/farmer/cli/checkpoint.ts';
import { withFolderLock } from '../../packages/farmer/cli/folder-lock.ts';
import { runCli, runCliWell, startCli, startInTerminal, type CliResult } from '../support/cli.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'farmer-cli-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const STEPS = 40;
const cpu = ['--device', 'cpu'];
/** A model that trains in milliseconds a step. */
const small = [
  ...['--train-images', '500', '--steps', String(STEPS), '--sample-steps', '0'],
  ...['patch=7', 'flow.blocks=2', 'flow.width=16', 'flow.heads=2', 'ar.layers=1']
    .concat(['ar.width=16', 'ar.heads=2'])
    .flatMap((part) => ['--set', `model.${part}`]),
  ...['--set', 'training.batch=8', '--log-steps', '10'],
];

const lastLine = (text: string) => text.trimEnd().split('\n').at(-1)!;
const results = ({ stdout }: CliResult) => JSON.parse(lastLine(stdout)) as Record<string, unknown>;

describe.concurrent('help', () => {
  const computing = ['demo', 'train', 'eval', 'sample', 'distill', 'doctor'];
  const commands = [...computing, 'export', 'data', 'info', 'curve'];
  it.each(commands)('of %s shows its options and examples', async (command) => {
    const { stdout } = await runCliWell(command, '--help');
    expect(stdout).toContain(`Usage: farmer ${command}`);
    for (const option of ['--json', '--debug']) expect(stdout).toContain(option);
    expect(stdout.includes('--adapter')).toBe(computing.includes(command));
    expect(stdout).toMatch(new RegExp(`Examples:\\n  \\$ farmer ${command}`));
  });

  it('lists the commands', async () => {
    const { stdout } = await runCliWell('--help');
    for (const command of commands) expect(stdout).toContain(`  ${command} `);
  });
});

/** One line on stderr, exit code 1, and nothing that looks like a stack trace. */
function expectPlainError({ code, stderr }: CliResult, message: string): void {
  // Dawn prints its own warnings to the same stream.
  const lines = stderr.trimEnd().split('\n');
  const errors = lines.filter((line) => line.startsWith('error: '));
  expect(errors, stderr).toHaveLength(1);
  expect(errors[0]).toContain(message);
  expect(stderr).not.toMatch(/^\s+at /m);
  expect(code).toBe(1);
}

describe.concurrent('bad input', () => {
  it.each([
    ['trian', "unknown command 'trian'"],
    ['train --stepz 3', "unknown option '--stepz'"],
    ['train --steps -3', 'Expected a whole number from 1 up'],
    ['train --steps 1e3', 'Expected a whole number from 1 up'],
    ['train --data images --image-size 513', 'Expected a whole number from 1 to 512'],
    ['train --preset tinny', 'unknown preset "tinny"; did you mean "tiny"?'],
    ['train --data mnst', 'did you mean "mnist"?'],
    ['train --data ./no/such/folder', 'no/such/folder'],
    ['train --train-images 70000', '--train-images 70000 is more than the 60000 images'],
    ['train --set model.ar.widht=3', 'did you mean "model.ar.width"?'],
    ['train --set model.patch=-1', 'model.patch is -1'],
    ['train --set model.flow.blocks=1000000', 'model.flow.blocks is 1000000: Too big'],
    ['train --image-size 14', '--image-size scales the images of a folder, and mnist is none'],
    ['train --run=', "option '--run <dir>' argument '' is invalid. Expected a name"],
    ['page --run=', "option '--run <dir>' argument '' is invalid. Expected a name"],
    ['train --config no-such.json', 'cannot read the configuration no-such.json'],
    ['train --config docs', 'cannot read the configuration docs: it is a folder'],
    ['train --run /dev/null/x --resume', 'has no checkpoint.safetensors to go on from'],
    ['demo --minutes 0', 'Expected a number greater than 0'],
    ['eval', 'give --checkpoint FILE or --run DIR'],
    ['eval --run no-such-run', 'no-such-run has no checkpoint.safetensors'],
    ['eval --split validation', 'Allowed choices are test, train'],
    ['sample --checkpoint no-such-weights', 'is neither a file nor shipped weights'],
    ['sample --checkpoint tiny --out docs', 'cannot write docs: it is a folder'],
    ['sample --checkpoint tiny --device cpu --count 100000', 'ask for fewer images or columns'],
    ['score --checkpoint tiny --compare mnist --out x.jpg', 'ends with .png or .svg'],
    ['score --checkpoint tiny --compare mnist --maps x', '--maps needs PNG files'],
    ['score --checkpoint tiny a.png --limit 3', '--limit needs --compare'],
    ['score --checkpoint tiny --maps x a.png b/a.png', 'a.png and b/a.png would both be drawn to'],
    ['score --checkpoint tiny --maps package.json a.png', 'a part of its path is a file'],
    ['sample --checkpoint tiny --out x.jpg', 'expected a name that ends with .png'],
    ['sample --checkpoint tiny --out x/', 'cannot write x/: it is a folder'],
    ['sample --checkpoint tiny --w 3', '--w and --guidance-set need --guidance'],
    ['sample --checkpoint tiny --guidance naive --w x', 'Expected a number from 0 up, got "x"'],
    ['sample --checkpoint tiny --guidance naive --guidance-set tries=1=2', 'tries=1=2: expected a'],
    ['metrics --checkpoint tiny --redundant-scale 1,2', 'one number expected here'],
    ['curve docs/results/tiny-cdf --out x.jpg', 'expected a name that ends with .png or .svg'],
    ['export --checkpoint tiny --out weights/mnist-tiny.safetensors', 'is the checkpoint itself'],
    ['data --columns 3', '--columns needs --preview'],
    ['data --image-size 28', '--image-size needs --data with a folder'],
    ['data --preview x.jpg', 'expected a name that ends with .png'],
    ['data --data mnist --preview x.png --columns 100000', 'ask for fewer images or columns'],
    ['sample --checkpoint package.json --device cpu', 'package.json: '],
    ['data --data ./docs', 'docs'],
    ['doctor --adapter zzz', 'zzz'],
    ['doctor --device cpu --threads 257', 'a whole number of threads from 1 to 256, got 257'],
    ['doctor --device cpu --adapter lavapipe', 'give one of the two'],
    ['classifier train --width 5000 --out x', 'Expected a whole number from 1 to 4096'],
    ['classifier train --out docs', 'cannot write docs: it is a folder'],
    ['eval --checkpoint x.safetensors --device gpu', 'unknown device "gpu"'],
  ])('farmer %s', async (line, message) => {
    expectPlainError(await runCli(...line.split(' ')), message);
  });

  it('shows the stack trace with --debug', async () => {
    const { code, stderr } = await runCli('eval', '--debug');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^\s+at /m);
  });
});

describe('training', () => {
  const run = (name: string) => join(folder, name);
  const checkpoint = (name: string) => join(run(name), 'checkpoint.safetensors');
  const metrics = (name: string) => readFile(join(run(name), 'metrics.jsonl'), 'utf8');
  const isSame = async (a: string, b: string) =>
    (await readFile(checkpoint(a))).equals(await readFile(checkpoint(b)));

  beforeAll(async () => {
    await runCliWell('train', ...cpu, ...small, '--run', run('whole'));
  });

  it('leaves configuration, metrics and checkpoint', async () => {
    const lines = (await metrics('whole')).trimEnd().split('\n');
    const rows = lines.map((line) => JSON.parse(line) as { step: number; loss: number });
    expect(rows.map(({ step }) => step)).toEqual([10, 20, 30, 40]);
    expect(rows.at(-1)!.loss).toBeLessThan(rows[0]!.loss);
    const saved = await readCheckpoint(checkpoint('whole'));
    expect(saved.step).toBe(STEPS);
    expect(JSON.parse(await readFile(join(run('whole'), 'config.json'), 'utf8'))).toEqual(
      saved.run,
    );
  });

  it('in two parts equals the whole, bit for bit, and reports as JSON', async () => {
    await runCliWell('train', ...cpu, ...small, '--run', run('parts'), '--until', '17');
    expect((await readCheckpoint(checkpoint('parts'))).step).toBe(17);
    const options = ['--sample-steps', '40', '--log-steps', '10', '--json'];
    const resumed = await runCliWell('train', ...cpu, '--run', run('parts'), ...options);
    expect(resumed.stderr).toContain('resuming    at step 17 of 40');
    expect(resumed.stdout.trimEnd()).not.toContain('\n');
    expect(results(resumed)).toMatchObject({ command: 'train', step: STEPS, steps: STEPS });
    const { memory } = results(resumed) as { memory: { peak: number; need: number } };
    expect(memory.peak).toBeGreaterThan(memory.need);
    expect(await isSame('whole', 'parts')).toBe(true);
    expect(existsSync(join(run('parts'), 'samples', 'step-000040.png'))).toBe(true);
  });

  it('does nothing, and says why, up to a step that is behind it', async () => {
    const args = ['train', ...cpu, '--run', run('behind')];
    await runCliWell(...args, ...small, '--until', '7');
    const before = await readFile(checkpoint('behind'));
    const { stdout } = await runCliWell(...args, '--until', '3');
    expect(stdout).toContain(
      `unchanged   ${checkpoint('behind')} is at step 7 of ${STEPS}, and --until 3 is no later step: give a later one, or none`,
    );
    expect(stdout).not.toContain('saved');
    expect((await readFile(checkpoint('behind'))).equals(before)).toBe(true);
    const whole = ['--run', run('whole'), '--sample-steps', '0'];
    const finished = await runCliWell('train', ...cpu, ...whole);
    expect(finished.stdout).toContain(
      `finished    ${checkpoint('whole')} is at step ${STEPS} of ${STEPS}: there is no step left to do`,
    );
    expect(finished.stdout).not.toContain('saved');
  });

  it.each([
    ['SIGKILL', null],
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('goes on after %s where it was saved', async (signal, code) => {
    const args = ['train', ...cpu, ...small, '--run', run(signal)];
    const training = startCli([...args, '--checkpoint-steps', '1']);
    while (!existsSync(checkpoint(signal)) && training.process.exitCode === null) await delay(2);
    training.process.kill(signal);
    const stopped = await training.result;
    expect(stopped.code, stopped.stderr).toBe(code);
    if (code !== null) expect(stopped.stdout).toContain(`go on with  farmer train --run`);
    const { step } = await readCheckpoint(checkpoint(signal));
    expect(step).toBeLessThan(STEPS);
    const resumed = await runCliWell(...args, '--resume');
    expect(resumed.stdout).toContain(`resuming    at step ${step} of ${STEPS}`);
    expect(await isSame('whole', signal)).toBe(true);
    expect(lastLine(await metrics(signal))).toContain('"step":40');
    // Not even a half-written file of the killed process stays.
    expect((await readdir(run(signal))).sort()).toEqual([
      'checkpoint.safetensors',
      'config.json',
      'metrics.jsonl',
    ]);
  });

  it('ends with its terminal, and has saved', async () => {
    const args = ['train', ...cpu, ...small, '--run', run('terminal'), '--checkpoint-steps', '1'];
    const codeFile = join(folder, 'code');
    const terminal = startInTerminal(args, codeFile);
    while (!existsSync(checkpoint('terminal')) && terminal.exitCode === null) await delay(2);
    terminal.kill('SIGKILL');
    while (!existsSync(codeFile)) await delay(10);
    const { SIGHUP } = constants.signals;
    expect(Number(await readFile(codeFile, 'utf8'))).toBe(128 + SIGHUP);
    const { step } = await readCheckpoint(checkpoint('terminal'));
    expect(step).toBeLessThan(STEPS);
    await runCliWell(...args);
    expect(await isSame('whole', 'terminal')).toBe(true);
  });

  it('outlives its terminal where no stream is one, as under nohup', async () => {
    const args = ['train', ...cpu, ...small, '--run', run('nohup'), '--checkpoint-steps', '1'];
    const training = startCli(args);
    while (!existsSync(checkpoint('nohup')) && training.process.exitCode === null) await delay(2);
    training.process.kill('SIGHUP');
    const { code, stderr } = await training.result;
    expect(code, stderr).toBe(0);
    expect(await isSame('whole', 'nohup')).toBe(true);
  });

  it('draws what a run that was killed after its checkpoint did not draw', async () => {
    await cp(run('whole'), run('undrawn'), { recursive: true });
    const samples = join(run('undrawn'), 'samples');
    await mkdir(samples);
    await writeFile(join(samples, `.step-000040.png.${randomUUID()}.tmp`), 'half');
    await runCliWell('train', ...cpu, '--run', run('undrawn'), '--sample-steps', '20');
    expect(await readdir(samples)).toEqual(['step-000040.png']);
    expect(await isSame('whole', 'undrawn')).toBe(true);
  });

  it('goes on with a folder that has no checkpoint yet, or no configuration any more', async () => {
    const stopped = run('stopped');
    const config = join(stopped, 'config.json');
    await cp(join(run('whole'), 'config.json'), config);
    await runCliWell('train', ...cpu, '--run', stopped, '--sample-steps', '0', '--until', '5');
    const expected = await readFile(join(run('whole'), 'config.json'), 'utf8');
    expect(await readFile(config, 'utf8')).toBe(expected);
    await rm(config);
    await runCliWell('train', ...cpu, '--run', stopped, '--sample-steps', '0');
    expect(await isSame('whole', 'stopped')).toBe(true);
  });

  it('saves what was done when the reader of its output has gone', async () => {
    const args = ['train', ...cpu, ...small, '--run', run('piped'), '--sample-steps', '2'];
    const training = startCli(args);
    const { stdout } = training.process;
    stdout.on('data', (text: string) => {
      if (text.includes('step  1/40')) stdout.destroy();
    });
    expect((await training.result).code).toBe(128 + constants.signals.SIGPIPE);
    const { step } = await readCheckpoint(checkpoint('piped'));
    expect(step).toBeLessThan(STEPS);
    await runCliWell(...args, '--resume');
    expect(await isSame('whole', 'piped')).toBe(true);
  });

  it('leaves a folder alone in which another process works', async () => {
    const args = ['train', ...cpu, ...small, '--run', run('busy')];
    await withFolderLock(run('busy'), async () => {
      expectPlainError(await runCli(...args), `another process is working in ${run('busy')}`);
    });
    await runCliWell(...args, '--until', '1');
  });

  it('refuses a folder with the checkpoint of another run', async () => {
    const other = ['--run', run('whole'), '--set', 'training.clip=2'];
    expectPlainError(await runCli('train', ...cpu, ...small, ...other), 'training.clip 1, not 2');
  });

  it('evaluates: the parts add up to the total', async () => {
    const options = ['--run', run('whole'), '--limit', '100', '--draws', '2', '--json'];
    const found = results(await runCliWell('eval', ...cpu, ...options));
    expect(found).toMatchObject({ images: 100, draws: 2, step: STEPS });
    const parts = Object.values(found['parts'] as Record<string, number>);
    expect(parts).toHaveLength(4);
    expect(parts.reduce((a, b) => a + b)).toBeCloseTo(found['bitsPerDim'] as number, 5);
    expect(found['standardError']).toBeGreaterThan(0);
  });

  it('evaluates every image of the split without --limit', async () => {
    const found = results(await runCliWell('eval', ...cpu, '--run', run('whole'), '--json'));
    expect(found['images']).toBe(10_000);
  });

  it('draws a grid with one row a class, the same for the same seed', async () => {
    const draw = async (name: string, seed: string) => {
      const out = join(folder, name);
      const options = ['--run', run('whole'), '--count', '2', '--out', out, '--seed', seed];
      await runCliWell('sample', ...cpu, ...options);
      return readFile(out);
    };
    const first = await draw('a.png', '1');
    const { width, height } = PNG.sync.read(first);
    // 10 rows of 2 images, enlarged twice, with gaps of 2.
    expect([width, height]).toEqual([2 * 58 - 2, 10 * 58 - 2]);
    expect((await draw('b.png', '1')).equals(first)).toBe(true);
    expect((await draw('c.png', '2')).equals(first)).toBe(false);
    const outside = await runCli('sample', ...cpu, '--run', run('whole'), '--class', '10');
    expectPlainError(outside, '--class 10 is out of range: the model has classes 0 to 9');
  });

  it('draws under guidance, the same images at several deviations, and ranked by log-determinant', async () => {
    const draw = async (name: string, ...options: string[]) => {
      const out = join(folder, name);
      const from = ['--run', run('whole'), '--class', '3', '--json', '--out', out];
      const { stdout } = await runCliWell('sample', ...cpu, ...from, ...options);
      const { width, height, data } = PNG.sync.read(await readFile(out));
      return { size: [width, height], data, found: JSON.parse(stdout) as Record<string, unknown> };
    };
    const guided = ['--guidance', 'farmer-1.1b', '--count', '2', '--columns', '2'];
    const one = await draw('guided.png', ...guided);
    const dial = await draw('dial.png', ...guided, '--redundant-scale', '0,1,4');
    expect(dial.size).toEqual([2 * 58 - 2, 3 * 58 - 2]);
    expect(dial.found['images']).toBe(6);
    // The middle row is the grid of factor 1.
    const rowBytes = 4 * one.size[0]!;
    const middle = dial.data.subarray(58 * rowBytes, 58 * rowBytes + one.data.length);
    expect(middle.equals(one.data)).toBe(true);
    const ranked = await draw('ranked.png', '--count', '5', '--rank-log-det');
    const logDets = ranked.found['logDets'] as number[];
    expect(logDets).toHaveLength(5);
    expect(logDets).toEqual([...logDets].sort((a, b) => b - a));
    const wrong = await runCli('sample', ...cpu, '--run', run('whole'), '--guidance', 'resample');
    expectPlainError(wrong, '--guidance resample is unknown; did you mean "resampling"?');
  });

  it('exports weights alone, which evaluate and do not train on', async () => {
    const weights = join(folder, 'weights.safetensors');
    await runCliWell('export', '--run', run('whole'), '--out', weights);
    const evaluate = (...from: string[]) =>
      runCliWell('eval', ...cpu, ...from, '--limit', '10', '--json');
    const ofRun = results(await evaluate('--run', run('whole')));
    expect(results(await evaluate('--checkpoint', weights))['bitsPerDim']).toBe(
      ofRun['bitsPerDim'],
    );
    await cp(run('whole'), run('weights'), { recursive: true });
    await cp(weights, checkpoint('weights'));
    expectPlainError(await runCli('train', ...cpu, '--run', run('weights')), 'weights alone');
  });

  it('names what is wrong with the tensors of a file', async () => {
    const path = join(folder, 'bad.safetensors');
    const good = decodeSafetensors(await readFile(checkpoint('whole')), 'whole');
    const state = Object.fromEntries(
      [...good.tensors].map(([name, tensor]) => [name, { dtype: 'F32' as const, ...tensor }]),
    );
    const name = 'model.ar.position';
    const { [name]: tensor, ...rest } = state;
    const turned = { ...tensor!, shape: [...tensor!.shape].reverse() };
    for (const [tensors, message] of [
      [rest, 'missing "ar.position"'],
      [{ ...state, [name]: turned }, '"ar.position" has shape [16, 18], expected [18, 16]'],
      [{ ...state, 'model.extra': tensor! }, 'unexpected "extra"'],
    ] as const) {
      await writeFile(path, encodeSafetensors(tensors, good.metadata));
      const failed = await runCli('eval', ...cpu, '--checkpoint', path);
      expectPlainError(failed, `${path} does not fit this model: ${message}`);
    }
  });
});

it('says that its output cannot be written', () => {
  const line = '"$0" packages/farmer/cli/farmer.js info > /dev/full';
  const { status, stderr } = spawnSync('sh', ['-c', line, process.execPath], { encoding: 'utf8' });
  expect(stderr).toMatch(/^error: cannot write the output: ENOSPC.*\n$/);
  expect(status).toBe(1);
});

it('trains on WebGPU too: in two parts as in one', async () => {
  const webgpu = ['--device', 'webgpu', ...small];
  const [whole, parts] = [join(folder, 'gpu-whole'), join(folder, 'gpu-parts')];
  await runCliWell('train', ...webgpu, '--run', whole);
  await runCliWell('train', ...webgpu, '--run', parts, '--until', '20');
  await runCliWell('train', ...webgpu, '--run', parts);
  const read = (path: string) => readFile(join(path, 'checkpoint.safetensors'));
  expect((await read(parts)).equals(await read(whole))).toBe(true);
});

it('saves a classifier after SIGINT, to go on with', async () => {
  const out = join(folder, 'classifier.safetensors');
  const sizes = ['--batch', '10', '--width', '8', '--blocks', '0'];
  const training = startCli(['classifier', 'train', ...cpu, ...sizes, '--out', out]);
  training.process.stdout.on('data', (text: string) => {
    if (/step +\d+\/48000/.test(text)) training.process.kill('SIGINT');
  });
  const { code, stdout, stderr } = await training.result;
  expect(code, stderr).toBe(130);
  const saved = join(folder, 'classifier-run', 'checkpoint.safetensors');
  expect(stdout).toMatch(/saved {7}(.*) at step \d+ of 48000\ngo on with {2}the same command/);
  expect(stdout).toContain(saved);
  expect(existsSync(saved)).toBe(true);
  expect(existsSync(out)).toBe(false);
});

it('lists a dataset and writes a preview', async () => {
  const preview = join(folder, 'preview.png');
  const listed = await runCliWell('data', '--data', 'mnist', '--preview', preview, '--json');
  expect(results(listed)).toMatchObject({
    datasets: [{ name: 'mnist', present: true, train: 60000, test: 10000, classes: 10 }],
  });
  expect(PNG.sync.read(await readFile(preview)).width).toBe(10 * 58 - 2);
});
