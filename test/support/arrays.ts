import { expect } from 'vitest';
import { sampleRandom, type Tensor } from '@farmer/tensor';
import { mismatch, uniformSource } from '@farmer/tensor/conformance';
import type { Matrix } from './formulas.ts';

/** Standard normal values of a shape, always the same for a seed. */
export const normals = (shape: readonly number[], seed: number): Float32Array =>
  Float32Array.from(sampleRandom(uniformSource(seed)).normals(shape).data);

/** Expects a tensor's values within `slack`, absolute and relative, and frees it. */
export async function expectClose(
  actual: Tensor,
  expected: Matrix | Float32Array,
  slack = 2e-5,
): Promise<void> {
  const flat = expected instanceof Float32Array ? expected : expected.flat();
  const data = await actual.data();
  actual.dispose();
  expect(mismatch(data, flat, { absolute: slack, relative: slack })).toBeUndefined();
}
