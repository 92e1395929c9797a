import {
  arenaOffsets,
  arenaSize,
  persist,
  sizeOf,
  withMemoryTag,
  zeros,
  type Shape,
  type Tensor,
} from '@farmer/tensor';
import { checkState, type LoadedTensors, type StateDict } from '../state-dict.ts';

/** Running averages for each parameter, such as Adam's two moments. All of one kind lie in one flat tensor. */
export class Moments {
  readonly arenas: readonly Tensor[];
  readonly #kinds: readonly string[];
  readonly #parameters: ReadonlyMap<string, Tensor>;

  /** @param kinds their names, such as 'firstMoment' */
  constructor(parameters: ReadonlyMap<string, Tensor>, kinds: readonly string[]) {
    const list = [...parameters.values()];
    this.#kinds = kinds;
    this.#parameters = parameters;
    this.arenas = withMemoryTag('optimiser', () =>
      kinds.map(() => persist(zeros([arenaSize(list)], 'f32', list[0]?.device))),
    );
  }

  /** Each parameter's averages under "kind.path". */
  async stateDict(): Promise<StateDict> {
    const data = await Promise.all(this.arenas.map((arena) => arena.data()));
    return Object.fromEntries(
      this.#places().map(({ name, kind, shape, start }) => {
        const values = Float32Array.from(data[kind]!.subarray(start, start + sizeOf(shape)));
        return [name, { dtype: 'F32', shape, data: values }];
      }),
    );
  }

  /** @throws StateDictError naming every missing, unexpected or misshapen tensor; nothing is changed then */
  loadStateDict(loaded: LoadedTensors, source: string): void {
    const places = this.#places();
    const shapes = new Map(places.map(({ name, shape }) => [name, shape]));
    checkState(shapes, loaded, source, 'optimiser');
    const arenas = this.arenas.map(({ size }) => new Float32Array(size));
    for (const { name, kind, start } of places) arenas[kind]!.set(loaded.get(name)!.data, start);
    this.arenas.forEach((arena, kind) => arena.write(arenas[kind]!));
  }

  dispose(): void {
    this.arenas.forEach((arena) => arena.dispose());
  }

  #places(): { name: string; kind: number; shape: Shape; start: number }[] {
    const offsets = arenaOffsets([...this.#parameters.values()]);
    return this.#kinds.flatMap((prefix, kind) =>
      [...this.#parameters].map(([path, { shape }], i) => ({
        name: `${prefix}.${path}`,
        kind,
        shape,
        start: offsets[i]!,
      })),
    );
  }
}
