import { readFile } from 'node:fs/promises';
import { decodeSafetensors, SafetensorsError, type SafetensorsContent } from '@farmer/nn';
import { describeReadError } from './read-error.ts';

/** @throws SafetensorsError naming the file, when it cannot be read or does not fit the format */
export async function readSafetensorsFile(path: string): Promise<SafetensorsContent> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    const hint = error.code === 'EISDIR' ? '; a run folder is given by --run' : '';
    const reason = describeReadError(error) + hint;
    throw new SafetensorsError(`cannot read ${path}: ${reason}`, { cause: error });
  });
  return decodeSafetensors(bytes, path);
}
