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

/** The largest storage buffer that every WebGPU adapter binds, 128 MiB, in floats. */
const mostElements = 2 ** 25;

/** Consecutive parameters, from `first` to before `end`, whose averages of one kind lie in one flat tensor. */
export interface MomentsPart {
  readonly first: number;
  readonly end: number;
  /** One for each kind. */
  readonly arenas: readonly Tensor[];
}

/**
 * Running averages for each parameter, such as Adam's two moments. Those of one kind lie in one flat tensor, or in
 * several where one would be more than an adapter binds; a parameter is never divided.
 */
export class Moments {
  readonly parts: readonly MomentsPart[];
  readonly #kinds: readonly string[];
  readonly #parameters: ReadonlyMap<string, Tensor>;

  /** @param kinds their names, such as 'firstMoment' */
  constructor(parameters: ReadonlyMap<string, Tensor>, kinds: readonly string[]) {
    const list = [...parameters.values()];
    this.#kinds = kinds;
    this.#parameters = parameters;
    this.parts = withMemoryTag('optimiser', () =>
      divide(list).map(([first, end]) => {
        const size = arenaSize(list.slice(first, end));
        return {
          first,
          end,
          arenas: kinds.map(() => persist(zeros([size], 'f32', list[first]!.device))),
        };
      }),
    );
  }

  /** Each parameter's averages under "kind.path". */
  async stateDict(): Promise<StateDict> {
    const state: StateDict = {};
    for (const part of this.parts) {
      const data = await Promise.all(part.arenas.map((arena) => arena.data()));
      for (const { name, kind, shape, start } of this.#places(part)) {
        const values = Float32Array.from(data[kind]!.subarray(start, start + sizeOf(shape)));
        state[name] = { dtype: 'F32', shape, data: values };
      }
    }
    return state;
  }

  /** @throws StateDictError naming every missing, unexpected or misshapen tensor; nothing is changed then */
  loadStateDict(loaded: LoadedTensors, source: string): void {
    const all = this.parts.flatMap((part) => this.#places(part));
    const shapes = new Map(all.map(({ name, shape }) => [name, shape]));
    checkState(shapes, loaded, source, 'optimiser');
    for (const part of this.parts) {
      const arenas = part.arenas.map(({ size }) => new Float32Array(size));
      for (const { name, kind, start } of this.#places(part)) {
        arenas[kind]!.set(loaded.get(name)!.data, start);
      }
      part.arenas.forEach((arena, kind) => arena.write(arenas[kind]!));
    }
  }

  dispose(): void {
    for (const { arenas } of this.parts) arenas.forEach((arena) => arena.dispose());
  }

  #places({ first, end }: MomentsPart): {
    name: string;
    kind: number;
    shape: Shape;
    start: number;
  }[] {
    const own = [...this.#parameters].slice(first, end);
    const offsets = arenaOffsets(own.map(([, parameter]) => parameter));
    return this.#kinds.flatMap((prefix, kind) =>
      own.map(([path, { shape }], i) => ({
        name: `${prefix}.${path}`,
        kind,
        shape,
        start: offsets[i]!,
      })),
    );
  }
}

/** [first, end) of runs of parameters of at most `mostElements`, or of one larger parameter. */
function divide(parameters: readonly Tensor[]): [number, number][] {
  const runs: [number, number][] = [];
  let room = 0;
  parameters.forEach((parameter, i) => {
    const size = arenaSize([parameter]);
    if (i > 0 && size <= room) runs.at(-1)![1] = i + 1;
    else {
      runs.push([i, i + 1]);
      room = mostElements;
    }
    room -= size;
  });
  return runs;
}
