import type { Library } from './library.ts';

/** The yardstick of pointwise work: as many bytes, copied by one `TypedArray.set` on one thread. */
export const memoryCopy: Library = {
  name: 'memory copy',
  setting: 'TypedArray.set of as many bytes, one thread',
  prepare: (work) => {
    if (work.kind !== 'multiplyAdd') return undefined;
    // Three reads and one write: two copies move as much.
    const [source, target] = [new Float32Array(2 * work.size), new Float32Array(2 * work.size)];
    return {
      run: () => Promise.resolve(target.set(source)),
      dispose: () => {},
    };
  },
};
