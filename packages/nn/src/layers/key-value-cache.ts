import { withMemoryTag, zeros, type Device, type Tensor } from '@farmer/tensor';

/** What causal attention remembers of the tokens so far: the state of one decoding run, passed as a value. */
export interface KeyValueCache {
  /** [B, T, W]; rows up to the current position are filled. */
  readonly keys: Tensor;
  /** [B, T, W] */
  readonly values: Tensor;
}

/**
 * The empty cache of one layer of attention; see `Transformer.createCaches`.
 * @param shape [B, T, W], T the most tokens that will be decoded
 */
export function createKeyValueCache(
  shape: readonly [number, number, number],
  device?: Device,
): KeyValueCache {
  return withMemoryTag('cache', () => ({
    keys: zeros(shape, 'f32', device),
    values: zeros(shape, 'f32', device),
  }));
}
