import type { Tensor } from './tensor.ts';

/** Marks tensors, since this file cannot import the class that imports it. */
export const tensorBrand = Symbol('tensor');

const scopes: Set<Tensor>[] = [];

/** Makes the innermost scope the owner of a new tensor. */
export function keepInScope(tensor: Tensor): void {
  scopes.at(-1)?.add(tensor);
}

/**
 * Runs `body` and frees every tensor that it made, except those that it returns
 * (a tensor, or arrays, maps and plain objects that hold tensors); these pass to the enclosing scope.
 */
export function scope<T>(body: () => T): T {
  const made = new Set<Tensor>();
  scopes.push(made);
  let kept: ReadonlySet<Tensor> = new Set();
  try {
    const result = body();
    if (result instanceof Promise) {
      throw new Error('scope: the body returned a promise; await outside of the scope');
    }
    kept = tensorsIn(result);
    return result;
  } finally {
    scopes.pop();
    for (const tensor of made) {
      if (kept.has(tensor)) keepInScope(tensor);
      else tensor.dispose();
    }
  }
}

/** Takes a tensor out of all scopes: it lives until `dispose`. For parameters and caches. */
export function persist<T>(value: T): T {
  for (const tensor of tensorsIn(value)) {
    for (const made of scopes) made.delete(tensor);
  }
  return value;
}

/** All tensors inside a value: itself, or members of arrays, maps, sets and objects (not of functions). */
function tensorsIn(value: unknown): Set<Tensor> {
  const found = new Set<Tensor>();
  const seen = new Set<unknown>();
  const visit = (item: unknown): void => {
    if (typeof item !== 'object' || item === null || seen.has(item)) return;
    seen.add(item);
    if (isTensor(item)) found.add(item);
    else if (item instanceof Map) [...item.values()].forEach(visit);
    else if (Array.isArray(item) || item instanceof Set) [...item].forEach(visit);
    else if (!ArrayBuffer.isView(item)) Object.values(item).forEach(visit);
  };
  visit(value);
  return found;
}

function isTensor(item: object): item is Tensor {
  return tensorBrand in item;
}
