import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeSafetensors, encodeSafetensors, type StateDict } from '@farmer/nn';
import { readCheckpoint, writeCheckpoint } from '../../packages/farmer/cli/checkpoint.ts';
import { RunFolder } from '../../packages/farmer/cli/run-folder.ts';
import { preset, smoothCounts } from '../../packages/farmer/src/index.ts';

const run = { data: 'mnist', trainImages: 100, seed: 3, config: preset('tiny') };
const info = {
  ...{ run, step: 12, fingerprint: 'abc' },
  classNames: [...'0123456789'],
  // 70,000 images take three bytes a count.
  histogram: smoothCounts(
    run.config.model.image,
    Uint32Array.from({ length: 784 * 256 }, (_, i) =>
      i % 256 === 3 ? 69_999 : i % 256 === 9 ? 1 : 0,
    ),
  ),
};
const values = (count: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(i));
// As large as the configuration says, since smaller files are refused.
const model: StateDict = {
  'ar.position': { dtype: 'F32', shape: [51, 64], data: values(51 * 64) },
  'flow.weight': { dtype: 'F32', shape: [200_000], data: values(200_000) },
};
const optimizer: StateDict = {
  'firstMoment.flow.weight': { dtype: 'F32', shape: [2], data: Float32Array.of(-0, NaN) },
};

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'checkpoint-'));
  path = join(folder, 'checkpoint.safetensors');
});
afterEach(() => rm(folder, { recursive: true }));

describe('a checkpoint', () => {
  it('gives back every bit, and equal states make equal files', async () => {
    await writeCheckpoint(path, info, model, optimizer);
    const read = await readCheckpoint(path);
    expect(read).toMatchObject(info);
    expect([...read.model.keys()].sort()).toEqual(Object.keys(model).sort());
    for (const [name, { shape, data }] of read.model) {
      expect(shape).toEqual(model[name]!.shape);
      expect(data).toEqual(model[name]!.data);
    }
    expect([...read.optimizer!.get('firstMoment.flow.weight')!.data]).toEqual([-0, NaN]);
    const first = await readFile(path);
    await writeCheckpoint(path, info, model, optimizer);
    expect((await readFile(path)).equals(first)).toBe(true);
  });

  it('may hold weights alone', async () => {
    await writeCheckpoint(path, info, model);
    expect((await readCheckpoint(path)).optimizer).toBeUndefined();
  });

  it('is refused, naming file and reason, when any part does not fit', async () => {
    await writeCheckpoint(path, info, model, optimizer);
    const good = await readFile(path);
    const { tensors, metadata } = decodeSafetensors(good, path);
    const state = Object.fromEntries(
      [...tensors].map(([name, tensor]) => [name, { dtype: 'F32' as const, ...tensor }]),
    );
    const withMetadata = (change: Record<string, string>) =>
      encodeSafetensors(state, { ...metadata, ...change });
    const withModel = (change: object) =>
      withMetadata({
        run: JSON.stringify({
          ...run,
          config: { ...run.config, model: { ...run.config.model, ...change } },
        }),
      });
    const histogram = (data: Float32Array) => {
      const tensor = { dtype: 'U8' as const, shape: [data.length], data: Uint8Array.from(data) };
      return encodeSafetensors({ ...state, 'histogram.counts': tensor }, metadata);
    };
    const packed = state['histogram.counts']!.data;
    const flipped = packed.map((byte, i) => (i === packed.length - 1 ? byte + 1 : byte) % 256);
    const deflated = (counts: ArrayLike<number>) =>
      Float32Array.from(deflateSync(Uint8Array.from(counts)));
    const bins = 784 * 256;
    const uneven = Uint8Array.from({ length: 4 * bins }, (_, i) => (i === 0 ? 1 : 0));
    const position = state['model.ar.position']!;
    const broken = { ...position, data: position.data.map((x, i) => (i === 3 ? NaN : x)) };
    const without = Object.fromEntries(
      Object.entries(state).filter(([name]) => name !== 'histogram.counts'),
    );
    const lying = Buffer.from(good);
    lying.writeBigUInt64LE(2n ** 40n);
    const cases: [Uint8Array, string][] = [
      [good.subarray(0, 5), 'fewer than the 8'],
      [good.subarray(0, 100), 'truncated'],
      [good.subarray(0, good.length - 4), 'bytes'],
      [lying, 'this is no safetensors file'],
      [encodeSafetensors(state), 'metadata has no "format"'],
      [withMetadata({ format: 'other' }), 'metadata "format" is "other"'],
      [withMetadata({ version: '2' }), 'format version "2" is unknown'],
      [withMetadata({ step: '-1' }), 'metadata "step" is "-1"'],
      [withMetadata({ step: '' }), 'metadata "step" is ""'],
      [withMetadata({ run: '{' }), 'metadata "run" is no JSON'],
      [withMetadata({ run: '{}' }), 'run: data'],
      [withModel({ patch: -4 }), 'model.patch is -4'],
      [withModel({ pach: 4 }), 'unknown key "model.pach"; did you mean "model.patch"?'],
      [withModel({ ar: { layers: 2, width: 65536, heads: 4 } }), 'more than'],
      [encodeSafetensors(without, metadata), 'lacks the tensor "histogram.counts"'],
      [histogram(flipped), 'tensor "histogram.counts" is damaged: incorrect data check'],
      [histogram(packed.subarray(0, 50)), 'tensor "histogram.counts" is damaged: unexpected end'],
      [histogram(deflated(uneven.subarray(4))), `holds ${bins - 1} counts, but images of 28 × 28`],
      [histogram(deflated(new Uint8Array(8 * bins))), 'tensor "histogram.counts" is damaged'],
      [histogram(deflated(new Uint8Array(4 * bins))), 'does not count the same number of images'],
      [histogram(deflated(uneven)), 'does not count the same number of images'],
      [withMetadata({ classNames: '["a"]' }), '"classNames" is no list of 10 names'],
      [
        encodeSafetensors({ ...state, 'model.ar.position': broken }, metadata),
        'tensor "model.ar.position" holds values that are not finite',
      ],
      [encodeSafetensors({ ...state, other: state['model.ar.position']! }, metadata), '"other"'],
    ];
    for (const [bytes, message] of cases) {
      await writeFile(path, bytes);
      const error: unknown = await readCheckpoint(path).catch((reason: unknown) => reason);
      expect(error, message).toBeInstanceOf(Error);
      expect((error as Error).message).toContain(path);
      expect((error as Error).message).toContain(message);
      expect((error as Error).message).not.toContain('\n');
    }
    await expect(readCheckpoint(join(folder, 'none'))).rejects.toThrow('there is no such file');
    await expect(readCheckpoint(folder)).rejects.toThrow(
      'it is a folder; a run folder is given by --run',
    );
  });
});

describe('a run folder', () => {
  it('drops metrics after a step, and a half-written line', async () => {
    const runFolder = new RunFolder(folder);
    await writeFile(runFolder.metrics, '{"step":5}\n{"step":10}\n{"step":15}\n{"st');
    await runFolder.truncateMetrics(10);
    expect(await readFile(runFolder.metrics, 'utf8')).toBe('{"step":5}\n{"step":10}\n');
  });

  it('writes no metrics where none are to be dropped', async () => {
    const runFolder = new RunFolder(folder);
    await writeFile(runFolder.metrics, '{"step":5}\n{"step":10}\n');
    const { ino } = await stat(runFolder.metrics);
    await runFolder.truncateMetrics(10);
    // A file that is written takes another's place.
    expect((await stat(runFolder.metrics)).ino).toBe(ino);
  });

  it('names the file that it cannot add metrics to', async () => {
    const runFolder = new RunFolder(join(folder, 'none'));
    const metrics = { step: 1, loss: 0, gradientNorm: 0, learningRate: 0, skipped: 0 };
    await expect(runFolder.appendMetrics(metrics)).rejects.toThrow(
      `cannot write ${runFolder.metrics}: `,
    );
  });

  it('keeps its configuration, and says what differs in another run', async () => {
    const runFolder = new RunFolder(folder);
    expect(await runFolder.readConfig()).toBeUndefined();
    await runFolder.writeConfig(run);
    const saved = (await runFolder.readConfig())!;
    expect(saved).toEqual(run);
    runFolder.checkSameRun(saved, run);
    expect(() => runFolder.checkSameRun(saved, { ...run, seed: 4 })).toThrow('(seed 3, not 4)');
  });
});
