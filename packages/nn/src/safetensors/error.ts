/** A safetensors file, or what was to become one, breaks the format; the message says where. */
export class SafetensorsError extends Error {
  override readonly name = 'SafetensorsError';
}
