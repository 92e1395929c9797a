import { build } from 'esbuild';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodeSafetensors, toStateDict, type LoadedTensors } from '@farmer/nn';
import type { Checkpoint } from '../checkpoint.ts';
import { writeFileAtomic } from '../files/atomic-write.ts';
import type { PageFiles } from './server.ts';

const sourceOf = (name: string) => fileURLToPath(new URL(`../../page/${name}`, import.meta.url));

/** All that the page needs: itself, its program, and the model. */
export async function pageFiles(checkpoint: Checkpoint, name: string): Promise<PageFiles> {
  return {
    '/': { type: 'text/html', body: await readFile(sourceOf('index.html'), 'utf8') },
    '/page.js': { type: 'text/javascript', body: await bundle(sourceOf('main.ts')) },
    '/model.safetensors': { type: 'application/octet-stream', body: pageModel(checkpoint, name) },
  };
}

/** Writes files for a web server; the path "/" is its index.html. */
export async function writePage(folder: string, files: PageFiles): Promise<void> {
  for (const [path, { body }] of Object.entries(files)) {
    const name = path === '/' ? 'index.html' : path;
    await writeFileAtomic(join(folder, name), body);
  }
}

/** A program for browsers, in one file. */
export async function bundle(entry: string): Promise<string> {
  const { outputFiles } = await build({
    ...{ entryPoints: [entry], bundle: true, write: false, logLevel: 'silent' },
    ...{ format: 'esm', target: 'es2022', minify: true },
  });
  return outputFiles[0]!.text;
}

/** The weights, and the counts of the training images' histogram, which a page need not unpack. */
function pageModel({ run, classNames, histogram, model }: Checkpoint, name: string): Uint8Array {
  const { counts } = histogram;
  const tensors: LoadedTensors = new Map([
    ...[...model].map(([key, tensor]) => [`model.${key}`, tensor] as const),
    // Counts of up to 2^24 images are whole in f32.
    ['counts', { shape: [counts.length], data: Float32Array.from(counts) }] as const,
  ]);
  const about = { name, model: run.config.model, classNames };
  return encodeSafetensors(toStateDict(tensors), { about: JSON.stringify(about) });
}
