import {
  filledBuffer,
  probeKernel,
  readFloats,
  secondsPerDispatch,
  storageBuffer,
} from './probe-kernel.ts';

export interface SpeedReport {
  /** Side of the square matrices. */
  readonly matmulSize: number;
  readonly matmulGflops: number;
  /** Largest |device - float64| over sampled entries of the product; entries are of order 10. */
  readonly matmulError: number;
  readonly copyBytes: number;
  /** Bytes read plus bytes written, per second, in 10^9. */
  readonly copyGBps: number;
}

/**
 * C = A B for n × n matrices, 4 × 4 entries an invocation, no barriers. A plain kernel that runs
 * on any adapter: it ranks adapters, the framework's own kernels are faster.
 */
const matmulCode = (n: number) => `
@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4f>;
const n4 = ${n / 4}u;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  let row = id.y * 4u;
  var sums: array<vec4f, 4>;
  for (var k = 0u; k < n4; k++) {
    let b0 = b[(4u * k) * n4 + column];
    let b1 = b[(4u * k + 1u) * n4 + column];
    let b2 = b[(4u * k + 2u) * n4 + column];
    let b3 = b[(4u * k + 3u) * n4 + column];
    for (var r = 0u; r < 4u; r++) {
      let x = a[(row + r) * n4 + k];
      sums[r] += x.x * b0 + x.y * b1 + x.z * b2 + x.w * b3;
    }
  }
  for (var r = 0u; r < 4u; r++) { c[(row + r) * n4 + column] = sums[r]; }
}`;

const copyCode = `
@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> target_: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  target_[id.x] = source[id.x];
}`;

/** Values in [-1, 1) that look random enough to catch a misplaced row or column. */
function testMatrix(length: number, seed: number): Float32Array<ArrayBuffer> {
  const values = new Float32Array(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = state / 2 ** 31 - 1;
  }
  return values;
}

/** Largest error of 64 sampled entries of `product` against float64 sums. */
function sampledError(n: number, a: Float32Array, b: Float32Array, product: Float32Array): number {
  let worst = 0;
  for (let sample = 0; sample < 64; sample++) {
    const row = (sample * 37) % n;
    const column = (sample * 101) % n;
    let sum = 0;
    for (let k = 0; k < n; k++) sum += (a[row * n + k] ?? NaN) * (b[k * n + column] ?? NaN);
    const error = Math.abs((product[row * n + column] ?? NaN) - sum);
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

async function measureMatmul(device: GPUDevice, n: number) {
  const a = testMatrix(n * n, 1);
  const b = testMatrix(n * n, 2);
  const buffers = [
    filledBuffer(device, a),
    filledBuffer(device, b),
    storageBuffer(device, 4 * n * n),
  ];
  const kernel = await probeKernel(device, matmulCode(n), buffers, [n / 32, n / 32]);
  const seconds = await secondsPerDispatch(kernel);
  const product = buffers[2];
  const matmulError = product ? sampledError(n, a, b, await readFloats(device, product)) : NaN;
  for (const buffer of buffers) buffer.destroy();
  return { matmulSize: n, matmulGflops: (2 * n ** 3) / seconds / 1e9, matmulError };
}

async function measureCopy(device: GPUDevice, bytes: number) {
  const buffers = [storageBuffer(device, bytes), storageBuffer(device, bytes)];
  const kernel = await probeKernel(device, copyCode, buffers, [bytes / 16 / 64, 1]);
  const seconds = await secondsPerDispatch(kernel);
  for (const buffer of buffers) buffer.destroy();
  return { copyBytes: bytes, copyGBps: (2 * bytes) / seconds / 1e9 };
}

/** Matrix product and copy speed; sizes large enough for a card, or small enough for a processor. */
export async function measureSpeed(device: GPUDevice, isHardware: boolean): Promise<SpeedReport> {
  const matmul = await measureMatmul(device, isHardware ? 2048 : 256);
  const copy = await measureCopy(device, (isHardware ? 48 : 16) * 2 ** 20);
  return { ...matmul, ...copy };
}
