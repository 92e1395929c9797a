import { formatShape, sameShape, type Shape, type Tensor } from '@farmer/tensor';
import type { Float32Input } from './safetensors.ts';

/** Named values, as `encodeSafetensors` takes them. */
export type StateDict = Record<string, Float32Input>;

/** What `decodeSafetensors` gives, or `new Map(Object.entries(stateDict))`. */
export type LoadedTensors = ReadonlyMap<
  string,
  { readonly shape: readonly number[]; readonly data: Float32Array }
>;

/** Loaded values as `encodeSafetensors` takes them. */
export function toStateDict(loaded: LoadedTensors): StateDict {
  return Object.fromEntries(
    [...loaded].map(([name, { shape, data }]) => [name, { dtype: 'F32', shape, data }]),
  );
}

/** A state dict that does not fit the model it is loaded into. */
export class StateDictError extends Error {
  override readonly name = 'StateDictError';
}

/** Reads named tensors back from the device. */
export async function readState(named: ReadonlyMap<string, Tensor>): Promise<StateDict> {
  const entries = [...named].map(async ([name, tensor]) => {
    const data = Float32Array.from(await tensor.data());
    return [name, { dtype: 'F32', shape: tensor.shape, data }] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

/**
 * Writes loaded values into the tensors of the same names. Nothing changes when it throws.
 * @param source where the values come from, for error messages
 * @throws StateDictError naming every missing, unexpected or misshapen tensor
 */
export function writeState(
  named: ReadonlyMap<string, Tensor>,
  loaded: LoadedTensors,
  source: string,
): void {
  const shapes = new Map([...named].map(([name, { shape }]) => [name, shape]));
  checkState(shapes, loaded, source, 'model');
  for (const [name, tensor] of named) tensor.write(loaded.get(name)!.data);
}

/**
 * @param expected every name with its shape
 * @param target what the values are for, for error messages
 * @throws StateDictError naming every missing, unexpected or misshapen tensor
 */
export function checkState(
  expected: ReadonlyMap<string, Shape>,
  loaded: LoadedTensors,
  source: string,
  target: string,
): void {
  const problems = [
    ...[...expected].flatMap(([name, shape]) => problemWith(name, shape, loaded)),
    ...[...loaded.keys()]
      .filter((name) => !expected.has(name))
      .map((name) => `unexpected "${name}"`),
  ];
  if (problems.length === 0) return;
  const shown = problems.slice(0, 8).join('; ');
  const rest = problems.length > 8 ? `; and ${problems.length - 8} more` : '';
  throw new StateDictError(`${source} does not fit this ${target}: ${shown}${rest}`);
}

function problemWith(name: string, shape: Shape, loaded: LoadedTensors): string[] {
  const found = loaded.get(name);
  if (!found) return [`missing "${name}" ${formatShape(shape)}`];
  if (sameShape(found.shape, shape)) return [];
  return [`"${name}" has shape ${formatShape(found.shape)}, expected ${formatShape(shape)}`];
}
