/** What is timed: plain sizes, so that each library writes the work in its own best way. */

export interface MatmulWork {
  readonly kind: 'matmul';
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** The same product from [k, m] and [k, n], as in the gradient of a weight. */
export interface WeightGradientWork {
  readonly kind: 'weightGradient';
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

export interface SoftmaxWork {
  readonly kind: 'softmax';
  readonly rows: number;
  readonly columns: number;
}

/** 0.5 x (1 + erf(x / √2)), or its approximation by tanh. */
export interface GeluWork {
  readonly kind: 'gelu';
  readonly size: number;
  readonly approximate: boolean;
}

/** x · y + z: bound by memory. */
export interface MultiplyAddWork {
  readonly kind: 'multiplyAdd';
  readonly size: number;
}

export interface LayerNormWork {
  readonly kind: 'layerNorm';
  readonly rows: number;
  readonly columns: number;
}

/** One Adam step of a ReLU network with a cross-entropy loss. */
export interface MlpWork {
  readonly kind: 'mlp';
  readonly batch: number;
  readonly widths: readonly number[];
}

/** A causal pre-norm Transformer block, forward and backward by its input and all parameters. */
export interface BlockWork {
  readonly kind: 'block';
  readonly batch: number;
  readonly tokens: number;
  readonly width: number;
  readonly heads: number;
}

/** Tokens one after another through a causal block with a key-value cache; each output is the next input. */
export interface DecodeWork extends Omit<BlockWork, 'kind'> {
  readonly kind: 'decode';
}

export type Work =
  | MatmulWork
  | WeightGradientWork
  | SoftmaxWork
  | GeluWork
  | MultiplyAddWork
  | LayerNormWork
  | MlpWork
  | BlockWork
  | DecodeWork;

export interface Workload {
  readonly name: string;
  readonly work: Work;
  /** Floating-point operations of one run, where that is the measure. */
  readonly flops?: number;
  /** Bytes that must be read and written, where that is the measure. */
  readonly bytes?: number;
  /** How many times faster than the fastest peer we mean to be, by the kind of run. */
  readonly goal?: Readonly<Partial<Record<RunKind, number>>>;
}

/** The CPU, lavapipe, SwiftShader, or a real GPU (no goal is set there). */
export type RunKind = 'wasm' | 'lavapipe' | 'swiftshader' | 'hardware';

type Goal = Workload['goal'];

const matmul = (m: number, n: number, k: number, goal?: Goal): Workload => ({
  name: `matmul [${m}, ${k}] × [${k}, ${n}]`,
  work: { kind: 'matmul', m, n, k },
  flops: 2 * m * n * k,
  ...(goal ? { goal } : {}),
});

const weightGradient = (m: number, n: number, k: number): Workload => ({
  name: `matmul [${k}, ${m}]ᵀ × [${k}, ${n}]`,
  work: { kind: 'weightGradient', m, n, k },
  flops: 2 * m * n * k,
});

const gelu = (approximate: boolean): Workload => ({
  name: `gelu${approximate ? ' by tanh' : ''} of 2²⁰`,
  work: { kind: 'gelu', size: 1 << 20, approximate },
  bytes: 8 << 20,
  goal: { wasm: 1.5, lavapipe: 3, swiftshader: 3 },
});

const largeMatmul = { wasm: 1.5, lavapipe: 4, swiftshader: 2 };
const block: Omit<BlockWork, 'kind'> = { batch: 16, tokens: 64, width: 128, heads: 4 };

export const workloads: readonly Workload[] = [
  matmul(256, 256, 256),
  matmul(512, 512, 512, largeMatmul),
  matmul(1024, 1024, 1024, largeMatmul),
  matmul(3136, 256, 64),
  matmul(1568, 192, 48),
  matmul(3200, 768, 192),
  weightGradient(192, 768, 3200),
  {
    name: 'softmax [1024, 1024]',
    work: { kind: 'softmax', rows: 1024, columns: 1024 },
    bytes: 8 << 20,
    goal: { wasm: 1, lavapipe: 3, swiftshader: 3 },
  },
  gelu(false),
  gelu(true),
  {
    name: 'x · y + z of 2²²',
    work: { kind: 'multiplyAdd', size: 1 << 22 },
    bytes: 16 << 22,
  },
  {
    name: 'layer norm [3200, 192]',
    work: { kind: 'layerNorm', rows: 3200, columns: 192 },
    bytes: 8 * 3200 * 192,
  },
  {
    name: 'MLP 784-256-256-10, batch 128, Adam step',
    work: { kind: 'mlp', batch: 128, widths: [784, 256, 256, 10] },
    goal: { wasm: 1.5, lavapipe: 3, swiftshader: 3 },
  },
  {
    name: 'Transformer block, B 16 T 64 D 128 H 4, forward and backward',
    work: { kind: 'block', ...block },
    goal: { wasm: 1.5, lavapipe: 4, swiftshader: 4 },
  },
  {
    name: 'Transformer block, B 16 D 128 H 4, decode of 256 tokens',
    work: { kind: 'decode', ...block, tokens: 256 },
  },
];
