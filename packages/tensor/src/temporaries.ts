import type { Device, Storage } from './device.ts';
import { withMemoryTag } from './memory-ledger.ts';

/** Runs a kernel's host code with `temporary`, which allocates scratch memory for it alone. */
export function withTemporaries(
  device: Device,
  body: (temporary: (byteLength: number) => Storage) => void,
): void {
  const temporaries: Storage[] = [];
  try {
    body((byteLength) => {
      const storage = withMemoryTag('temporaries', () => device.allocate(byteLength));
      temporaries.push(storage);
      return storage;
    });
  } finally {
    for (const storage of temporaries) device.release(storage);
  }
}
