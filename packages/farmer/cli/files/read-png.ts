import { readFile } from 'node:fs/promises';
import type { Pixels } from '../../src/data/pixels.ts';
import { decodePng } from './png.ts';
import { describeReadError } from './read-error.ts';

/** @throws Error naming the file, when it cannot be read or is no PNG */
export async function readPng(path: string): Promise<Pixels> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new Error(`cannot read the image ${path}: ${describeReadError(error)}`, { cause: error });
  });
  return decodePng(bytes, path);
}
