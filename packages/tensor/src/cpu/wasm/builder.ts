import {
  flatten,
  moduleHeader,
  name,
  section,
  sized,
  unsigned,
  vector,
  type Code,
} from './encoding.ts';
import { F32, F32x4, I32, I32x4, type Kind, type Value } from './values.ts';

const voidBlock = 0x40;

/** Builds the body of one function: statements are appended in the order of the calls. */
export class FunctionBuilder {
  readonly #parameterCount: number;
  readonly #localTypes: number[] = [];
  #body: Code[] = [];

  constructor(parameterCount: number) {
    this.#parameterCount = parameterCount;
  }

  /** A new local variable, zero at the function's start. */
  local<V extends Value>(kind: Kind<V>): V {
    const index = this.#parameterCount + this.#localTypes.length;
    this.#localTypes.push(kind.type);
    return new kind([0x20, unsigned(index)], index);
  }

  /** Evaluates `value` here, once, and names the result. */
  let<V extends Value>(value: V): V {
    const variable = this.local(value.constructor as Kind<V>);
    this.set(variable, value);
    return variable;
  }

  /** Assigns to a local made by `local`, `let` or a parameter. */
  set<V extends Value>(variable: V, value: V): void {
    if (variable.local < 0) throw new Error('WebAssembly: only a local variable can be assigned.');
    this.#body.push([value.code, 0x21, unsigned(variable.local)]);
  }

  i32(pointer: I32, offset = 0): I32 {
    return new I32([pointer.code, 0x28, 2, unsigned(offset)]);
  }
  f32(pointer: I32, offset = 0): F32 {
    return new F32([pointer.code, 0x2a, 2, unsigned(offset)]);
  }
  /** Four consecutive floats at `pointer + offset` bytes. */
  f32x4(pointer: I32, offset = 0): F32x4 {
    return new F32x4([pointer.code, 0xfd, 0, 2, unsigned(offset)]);
  }
  i32x4(pointer: I32, offset = 0): I32x4 {
    return new I32x4([pointer.code, 0xfd, 0, 2, unsigned(offset)]);
  }
  /** One float, copied to all four lanes. */
  splat(pointer: I32, offset = 0): F32x4 {
    return new F32x4([pointer.code, 0xfd, 9, 2, unsigned(offset)]);
  }

  /** Writes a value of any type at `pointer + offset` bytes. */
  store(pointer: I32, value: Value, offset = 0): void {
    const opcode = value instanceof I32 ? [0x36] : value instanceof F32 ? [0x38] : [0xfd, 11];
    this.#body.push([pointer.code, value.code, opcode, 2, unsigned(offset)]);
  }

  if(condition: I32, then: () => void, otherwise?: () => void): void {
    const alternative = otherwise ? [0x05, this.#nested(otherwise)] : [];
    this.#body.push([condition.code, 0x04, voidBlock, this.#nested(then), alternative, 0x0b]);
  }

  /** Runs `body` as long as `condition` holds; the condition is tested before each round. */
  while(condition: I32, body: () => void): void {
    // One test guards the loop, a second one closes it: one branch a round.
    const round = this.#nested(body);
    const loop: Code = [0x03, voidBlock, round, condition.code, 0x0d, 0, 0x0b];
    this.#body.push([condition.code, 0x04, voidBlock, loop, 0x0b]);
  }

  /** `for (i = start; i + step <= end; i += step) body(i)`; returns `i`, where a tail can go on. */
  loop(start: I32 | number, end: I32, step: number, body: (i: I32) => void): I32 {
    const i = this.let(I32.of(start));
    this.resume(i, end, step, body);
    return i;
  }

  /** Goes on from a loop's counter with another step: `while (i + step <= end)`. */
  resume(i: I32, end: I32, step: number, body: (i: I32) => void): void {
    this.while(i.add(step).le(end), () => {
      body(i);
      this.set(i, i.add(step));
    });
  }

  /** Runs `body` for a task's items: `perTask` of them from number `task · perTask` on, as far as there are `count`. */
  eachOfTask(task: I32, perTask: I32 | number, count: I32, body: (i: I32) => void): void {
    const i = this.let(task.mul(perTask));
    const end = this.let(i.add(perTask).min(count));
    this.while(i.lt(end), () => {
      body(i);
      this.set(i, i.add(1));
    });
  }

  /**
   * Repeats `body` until one of the conditions that it states with `leave` holds; all of them at its
   * own level, not inside another loop or branch.
   */
  repeat(body: (leave: (condition: I32) => void) => void): void {
    const leave = (condition: I32): void => void this.#body.push([condition.code, 0x0d, 1]);
    const round = this.#nested(() => body(leave));
    this.#body.push([0x02, voidBlock, 0x03, voidBlock, round, 0x0c, 0, 0x0b, 0x0b]);
  }

  /** Runs a call for its effect. */
  run(call: Code): void {
    this.#body.push(call);
  }

  #nested(statements: () => void): Code {
    const outer = this.#body;
    this.#body = [];
    statements();
    const inner = this.#body;
    this.#body = outer;
    return inner;
  }

  /** The function's encoding: locals and statements. */
  encode(): Code {
    const locals = this.#localTypes.map((type): Code => [1, type]);
    return sized([vector(locals), this.#body, 0x0b]);
  }
}

/** Types of parameters, as classes, mapped to values. */
type ValuesOf<Kinds extends readonly Kind<Value>[]> = {
  [I in keyof Kinds]: Kinds[I] extends Kind<infer V> ? V : never;
};

/** A module that imports one memory and a scratch pointer, and exports one kernel. */
export class ModuleBuilder {
  /** Start of the calling thread's own scratch memory. */
  readonly scratch = new I32([0x23, 0]);
  readonly #types: Code[] = [];
  readonly #bodies: Code[] = [];
  readonly #exports: Code[] = [];

  /** A function without result; returns how to call it. */
  procedure<const Kinds extends readonly Kind<Value>[]>(
    kinds: Kinds,
    build: (f: FunctionBuilder, ...parameters: ValuesOf<Kinds>) => void,
  ): (...values: ValuesOf<Kinds>) => Code {
    const f = new FunctionBuilder(kinds.length);
    const parameters = kinds.map((kind, i) => new kind([0x20, unsigned(i)], i));
    build(f, ...(parameters as unknown as ValuesOf<Kinds>));
    const index = this.#bodies.length;
    this.#types.push([0x60, vector(kinds.map((kind): Code => [kind.type])), 0]);
    this.#bodies.push(f.encode());
    return (...values) => [
      (values as unknown as Value[]).map((v) => v.code),
      0x10,
      unsigned(index),
    ];
  }

  /**
   * The module's kernel: `build` writes what task number `task` does, its parameters lying at
   * `args`, one 32-bit word each.
   */
  kernel(build: (f: FunctionBuilder, args: I32, task: I32) => void): void {
    this.#exports.push([name('kernel'), 0, unsigned(this.#bodies.length)]);
    this.procedure([I32, I32], build);
  }

  /** The module's bytes, for a memory of up to 4 GiB. */
  build(sharedMemory: boolean): Uint8Array<ArrayBuffer> {
    const limits: Code = [sharedMemory ? 3 : 1, unsigned(0), unsigned(65536)];
    const module: Code = [
      moduleHeader,
      section(1, vector(this.#types)),
      section(
        2,
        vector([
          [name('env'), name('memory'), 2, limits],
          [name('env'), name('scratch'), 3, I32.type, 0],
        ]),
      ),
      section(3, vector(this.#types.map((_, i) => unsigned(i)))),
      section(7, vector(this.#exports)),
      section(10, vector(this.#bodies)),
    ];
    return new Uint8Array(flatten(module));
  }
}

/** A module of a kernel without procedures or scratch memory; see `ModuleBuilder.kernel`. */
export function kernelModule(
  build: (f: FunctionBuilder, args: I32, task: I32) => void,
): ModuleBuilder {
  const module = new ModuleBuilder();
  module.kernel(build);
  return module;
}

/** Reads consecutive 32-bit words at `args` into locals, named in order. */
export function readWords<const Names extends readonly string[]>(
  f: FunctionBuilder,
  args: I32,
  names: Names,
): Record<Names[number], I32> {
  const entries = names.map((key, i) => [key, f.let(f.i32(args, 4 * i))]);
  return Object.fromEntries(entries) as Record<Names[number], I32>;
}
