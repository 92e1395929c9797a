/** Makes a value once for each list of arguments, which are told apart by their JSON. */
export function memoize<A extends readonly unknown[], V>(
  make: (...args: A) => V,
): (...args: A) => V {
  const made = new Map<string, V>();
  return (...args) => {
    const key = JSON.stringify(args);
    let value = made.get(key);
    if (value === undefined) made.set(key, (value = make(...args)));
    return value;
  };
}

/** Values that belong to an object: each is made once, and kept as long as the object lives. */
export class WeakMemo<Owner extends object, V> {
  readonly #made = new WeakMap<Owner, Map<string, V>>();

  get(owner: Owner, key: string, make: () => V): V {
    let own = this.#made.get(owner);
    if (!own) this.#made.set(owner, (own = new Map()));
    let value = own.get(key);
    if (value === undefined) own.set(key, (value = make()));
    return value;
  }
}
