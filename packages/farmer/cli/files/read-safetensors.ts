import { readFile } from 'node:fs/promises';
import { decodeSafetensors, SafetensorsError, type SafetensorsContent } from '@farmer/nn';

/** @throws SafetensorsError naming the file, when it cannot be read or does not fit the format */
export async function readSafetensorsFile(path: string): Promise<SafetensorsContent> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === 'ENOENT' ? 'there is no such file' : error.message;
    throw new SafetensorsError(`cannot read ${path}: ${reason}`, { cause: error });
  });
  return decodeSafetensors(bytes, path);
}
