import { Tensor } from '@farmer/tensor';
import { readState, writeState, type LoadedTensors, type StateDict } from './state-dict.ts';

/**
 * A part of a model. Fields that hold tensors are its parameters; fields that hold modules, or arrays of them, are
 * its children. Their order of definition is the order of `parameters`. Keep other tensors in `#private` fields.
 */
export abstract class Module {
  /** Parameters by dotted path, such as "blocks.0.attention.query.weight"; one that is shared has its first path. */
  namedParameters(): Map<string, Tensor> {
    const found = new Map<string, Tensor>();
    const seen = new Set<unknown>();
    const visit = (value: unknown, path: string): void => {
      if (seen.has(value)) return;
      if (value instanceof Tensor) found.set(path, value);
      else if (value instanceof Module || Array.isArray(value)) {
        for (const [key, child] of Object.entries(value)) {
          visit(child, path ? `${path}.${key}` : key);
        }
      } else return;
      seen.add(value);
    };
    visit(this, '');
    return found;
  }

  /** All parameters in their order of definition; one that is shared stands once. */
  parameters(): Tensor[] {
    return [...this.namedParameters().values()];
  }

  /** The number of trainable values. */
  parameterCount(): number {
    return this.parameters().reduce((total, { size }) => total + size, 0);
  }

  /** Reads all parameters back, ready for `encodeSafetensors`. */
  stateDict(): Promise<StateDict> {
    return readState(this.namedParameters());
  }

  /**
   * Overwrites all parameters. Nothing changes when it throws.
   * @param source where the values come from, for error messages
   * @throws StateDictError naming every missing, unexpected or misshapen tensor
   */
  loadStateDict(tensors: LoadedTensors, source: string): void {
    writeState(this.namedParameters(), tensors, source);
  }

  /** Frees the parameters, and all that the children hold; the module is of no use afterwards. */
  dispose(): void {
    for (const field of Object.values(this).flat() as unknown[]) {
      if (field instanceof Tensor || field instanceof Module) field.dispose();
    }
  }
}
