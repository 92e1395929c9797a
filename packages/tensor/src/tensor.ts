import { defaultDevice, type Device, type Storage } from './device.ts';
import {
  bytesPerElement,
  checkDType,
  toTypedArray,
  viewAs,
  type DType,
  type TypedArray,
} from './dtype.ts';
import { keepInScope, tensorBrand } from './scope.ts';
import { checkShape, formatShape, ShapeError, sizeOf, type Shape } from './shape.ts';

/** A block of device memory that one or more tensors share. */
class SharedStorage {
  #tensors = 0;
  readonly device: Device;
  readonly storage: Storage;

  constructor(device: Device, byteLength: number) {
    this.device = device;
    this.storage = device.allocate(byteLength);
  }

  retain(): this {
    this.#tensors++;
    return this;
  }

  release(): void {
    if (--this.#tensors === 0) this.device.release(this.storage);
  }
}

let nextId = 0;

/**
 * A dense, row-major array on a device. Its values never change, except through ops that say so
 * (optimisers and caches). A `scope` frees it, or `dispose`.
 */
export class Tensor {
  readonly [tensorBrand] = true;
  readonly id = nextId++;
  readonly shape: Shape;
  readonly dtype: DType;
  /** Start inside the storage, in bytes; a multiple of 256. */
  readonly byteOffset: number;
  readonly #shared: SharedStorage;
  // The user's handle is one reference; a tape that will need the values holds others.
  #references = 1;
  #disposed = false;

  constructor(shape: Shape, dtype: DType, shared: SharedStorage, byteOffset = 0) {
    this.shape = shape;
    this.dtype = dtype;
    this.#shared = shared.retain();
    this.byteOffset = byteOffset;
    keepInScope(this);
  }

  get device(): Device {
    return this.#shared.device;
  }

  /** The memory behind the tensor. @throws if it was freed */
  get storage(): Storage {
    this.#checkAlive();
    return this.#shared.storage;
  }

  /** The number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** The number of axes. */
  get rank(): number {
    return this.shape.length;
  }

  get byteLength(): number {
    return this.size * bytesPerElement;
  }

  /** Whether nobody holds the values any more; then their use throws. */
  get isFreed(): boolean {
    return this.#references <= 0;
  }

  /** A tensor of another shape over the same memory; `byteOffset` is relative to this one. */
  alias(shape: Shape, byteOffset = 0, dtype = this.dtype): Tensor {
    this.#checkAlive();
    return new Tensor(shape, dtype, this.#shared, this.byteOffset + byteOffset);
  }

  /** Reads the values back from the device, in row-major order. */
  async data(): Promise<TypedArray> {
    const bytes = await this.device.read(this.storage, this.byteOffset, this.byteLength);
    return viewAs(this.dtype, bytes);
  }

  /** The value of a tensor of one element. */
  async item(): Promise<number> {
    if (this.size !== 1) {
      throw new ShapeError(`item: needs one element, got shape ${formatShape(this.shape)}`);
    }
    return (await this.data())[0]!;
  }

  /** Overwrites the values from the host, for inputs of a captured step. */
  write(values: ArrayLike<number>): void {
    if (values.length !== this.size) {
      throw new ShapeError(
        `write: ${values.length} values do not fill shape ${formatShape(this.shape)}`,
      );
    }
    const data = ArrayBuffer.isView(values) ? values : undefined;
    const typed = data && matches(this.dtype, data) ? data : toTypedArray(this.dtype, values);
    if (this.size > 0) this.device.write(this.storage, this.byteOffset, typed);
  }

  /** Frees the tensor, unless a tape still needs its values. Calling it again does nothing. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.release();
  }

  /** Holds the values for a later use, such as a backward pass. Pair with `release`. */
  retain(): this {
    this.#checkAlive();
    this.#references++;
    return this;
  }

  /** Ends what `retain` began; whoever is last frees the values. */
  release(): void {
    if (--this.#references === 0) this.#shared.release();
  }

  toString(): string {
    return `Tensor(${this.dtype} ${formatShape(this.shape)} on ${this.device.kind})`;
  }

  #checkAlive(): void {
    if (this.isFreed) {
      throw new Error(
        `${this.dtype} tensor ${formatShape(this.shape)} was freed: return it from its scope to keep it`,
      );
    }
  }
}

function matches(dtype: DType, view: ArrayBufferView): boolean {
  if (dtype === 'f32') return view instanceof Float32Array;
  return dtype === 'i32' ? view instanceof Int32Array : view instanceof Uint32Array;
}

/** A tensor whose values are not yet written. */
export function empty(shape: Shape, dtype: DType = 'f32', device = defaultDevice()): Tensor {
  checkShape('empty', shape);
  checkDType(dtype);
  return new Tensor(shape, dtype, new SharedStorage(device, sizeOf(shape) * bytesPerElement));
}

/**
 * A tensor with the given values in row-major order.
 * @param values numbers, in one flat list: f32 rounds them, integers truncate
 * @param shape defaults to one axis with all values
 * @throws ShapeError when the values do not fill the shape, TypeError when they are no numbers
 */
export function tensor(
  values: ArrayLike<number>,
  shape: Shape = [values.length],
  dtype: DType = 'f32',
  device = defaultDevice(),
): Tensor {
  checkShape('tensor', shape);
  if (values.length > 0 && typeof values[0] !== 'number') {
    throw new TypeError(
      `tensor: values are numbers in one flat list, with the shape beside them; got ${Array.isArray(values[0]) ? 'a list' : typeof values[0]} as the first`,
    );
  }
  if (values.length !== sizeOf(shape)) {
    throw new ShapeError(`tensor: ${values.length} values do not fill shape ${formatShape(shape)}`);
  }
  const result = empty(shape, dtype, device);
  result.write(values);
  return result;
}

/** A rank-0 tensor. */
export function scalar(value: number, dtype: DType = 'f32', device = defaultDevice()): Tensor {
  return tensor([value], [], dtype, device);
}
