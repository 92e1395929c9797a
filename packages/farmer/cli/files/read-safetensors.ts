import { readFile } from 'node:fs/promises';
import { decodeSafetensors, SafetensorsError, type SafetensorsContent } from '@farmer/nn';

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder; a run folder is given by --run',
};

/** @throws SafetensorsError naming the file, when it cannot be read or does not fit the format */
export async function readSafetensorsFile(path: string): Promise<SafetensorsContent> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    const reason = (error.code && reasons[error.code]) ?? error.message;
    throw new SafetensorsError(`cannot read ${path}: ${reason}`, { cause: error });
  });
  return decodeSafetensors(bytes, path);
}
