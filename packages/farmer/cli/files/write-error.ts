import { dirname } from 'node:path';
import { messageOf } from '../errors.ts';

/** Why a file could not be written, in plain words. */
export function describeWriteError(path: string, bytes: number, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return `cannot write ${path}: no space is left${bytes > 0 ? ` for its ${size(bytes)}` : ''}; any old file is unchanged, free some space and try again`;
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `cannot write ${path}: no permission to write in ${dirname(path)}`;
    case 'EISDIR':
    case 'EBUSY':
      return `cannot write ${path}: it is a folder`;
    case 'ENOTDIR':
    case 'EEXIST':
      return `cannot write ${path}: a part of its path is a file, not a folder`;
    default:
      return `cannot write ${path}: ${messageOf(error)}`;
  }
}

const size = (bytes: number): string =>
  bytes < 2 ** 16 ? `${bytes} bytes` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
