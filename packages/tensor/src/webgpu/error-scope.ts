const kinds = ['validation', 'out-of-memory', 'internal'] as const;

/**
 * Runs `body`, and throws what the GPU reports of the calls that it makes before its first `await`. Nobody else hears
 * of that: it becomes no error of the device.
 */
export async function inErrorScope<T>(gpu: GPUDevice, body: () => T | Promise<T>): Promise<T> {
  for (const kind of kinds) gpu.pushErrorScope(kind);
  const result = (async () => await body())();
  const reports = kinds.map(() => gpu.popErrorScope());
  const [value, ...errors] = await Promise.all([result, ...reports]);
  const error = errors.find((each) => each !== null);
  if (error) throw new Error(`WebGPU: ${error.message}`);
  return value;
}
