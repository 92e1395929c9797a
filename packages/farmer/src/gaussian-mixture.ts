/** Channels of a mixture head: K logits, then K × d means, then K × d raw scales. */
export function mixtureHeadWidth(components: number, channels: number): number {
  return components * (1 + 2 * channels);
}

/**
 * Bias of a mixture head at the start: equal weights, means spread at random, raw scales 0, which are standard
 * deviations of 1 (`gaussianMixtureLogProb` has the formula).
 * With equal means the components would stay identical for ever.
 * @param normals K·d standard normal numbers
 */
export function mixtureHeadBias(
  components: number,
  channels: number,
  normals: ArrayLike<number>,
): Float32Array {
  const bias = new Float32Array(mixtureHeadWidth(components, channels));
  for (let i = 0; i < components * channels; i++) bias[components + i] = normals[i]!;
  return bias;
}
