import { assign, emaUpdate, map, persist, scope, type Tensor } from '@farmer/tensor';
import { readState, writeState, type LoadedTensors, type StateDict } from '../state-dict.ts';

/** An exponential moving average of parameters: average ← decay · average + (1 − decay) · parameter. */
export class Ema {
  readonly #parameters: readonly Tensor[];
  readonly #averages: ReadonlyMap<string, Tensor>;
  readonly #decay: number;

  /** Starts from the parameters' present values. */
  constructor(parameters: ReadonlyMap<string, Tensor>, decay: number) {
    if (!(decay >= 0 && decay <= 1)) throw new RangeError(`Ema: decay ${decay} is not in [0, 1]`);
    this.#parameters = [...parameters.values()];
    this.#averages = new Map([...parameters].map(([name, p]) => [name, persist(map('p', { p }))]));
    this.#decay = decay;
  }

  /** Takes in the parameters' present values. */
  update(): void {
    emaUpdate([...this.#averages.values()], this.#parameters, this.#decay);
  }

  /** Exchanges averages and parameters, for an evaluation; call it again to go back. */
  swap(): void {
    scope(() => {
      const averages = [...this.#averages.values()];
      const current = this.#parameters.map((p) => map('p', { p }));
      this.#parameters.forEach((parameter, i) => assign(parameter, averages[i]!));
      averages.forEach((average, i) => assign(average, current[i]!));
    });
  }

  /** The averages under the parameters' names: a model can load them. */
  stateDict(): Promise<StateDict> {
    return readState(this.#averages);
  }

  /** @throws StateDictError naming every missing, unexpected or misshapen tensor; nothing is changed then */
  loadStateDict(tensors: LoadedTensors, source: string): void {
    writeState(this.#averages, tensors, source);
  }

  dispose(): void {
    for (const average of this.#averages.values()) average.dispose();
  }
}
