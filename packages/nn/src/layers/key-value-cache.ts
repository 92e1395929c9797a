import { withMemoryTag, zeros, type Device, type Tensor } from '@farmer/tensor';

/** What causal attention remembers of the tokens so far: the state of one decoding run, passed as a value. */
export interface KeyValueCache {
  /** [B, T, W]; rows up to the current position are filled. */
  readonly keys: Tensor;
  /** [B, T, W] */
  readonly values: Tensor;
}

/**
 * Empty caches, one per layer.
 * @param length the most tokens that will be decoded
 */
export function createKeyValueCache(
  batch: number,
  length: number,
  width: number,
  layers: number,
  device?: Device,
): KeyValueCache[] {
  const shape = [batch, length, width];
  return withMemoryTag('cache', () =>
    Array.from({ length: layers }, () => ({
      keys: zeros(shape, 'f32', device),
      values: zeros(shape, 'f32', device),
    })),
  );
}
