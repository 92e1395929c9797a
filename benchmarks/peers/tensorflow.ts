import * as tf from '@tensorflow/tfjs';
import { adam, blockParameters, mlpBatch, mlpParameters, noise, type Values } from './inputs.ts';
import type { Library, Task } from './library.ts';
import type { BlockWork, DecodeWork, MlpWork, Work } from './workloads.ts';

type Tensors = Record<string, tf.Tensor>;

export async function tensorflow(backend: 'wasm' | 'webgpu', setting: string): Promise<Library> {
  if (!(await tf.setBackend(backend))) {
    throw new Error(`TensorFlow.js: its ${backend} backend does not start`);
  }
  await tf.ready();
  return { name: 'TensorFlow.js', setting, prepare };
}

/** Ops run as they are called on WASM; on WebGPU they queue up, and reading an element back waits for all. */
async function finish(last: tf.Tensor): Promise<void> {
  const element = tf.tidy(() => tf.slice(tf.reshape(last, [-1]), [0], [1]));
  await element.data();
  element.dispose();
}

function prepare(work: Work): Task | undefined {
  switch (work.kind) {
    case 'matmul':
      return single(
        (a, b) => tf.matMul(a!, b!),
        [noise(1, [work.m, work.k]), noise(2, [work.k, work.n])],
      );
    case 'weightGradient':
      return single(
        (a, b) => tf.matMul(a!, b!, true),
        [noise(1, [work.k, work.m]), noise(2, [work.k, work.n])],
      );
    case 'softmax':
      return single((x) => tf.softmax(x!), [noise(1, [work.rows, work.columns], 4)]);
    case 'gelu':
      return single((x) => (work.approximate ? geluTanh : gelu)(x!), [noise(1, [work.size], 4)]);
    case 'multiplyAdd':
      return single(
        (x, y, z) => tf.add(tf.mul(x!, y!), z!),
        [1, 2, 3].map((seed) => noise(seed, [work.size])),
      );
    case 'layerNorm': {
      const inputs = [
        noise(1, [work.rows, work.columns]),
        noise(2, [work.columns], 0.5, 1),
        noise(3, [work.columns]),
      ];
      return single((x, scale, shift) => layerNorm(x!, scale!, shift!), inputs);
    }
    case 'mlp':
      return mlp(work);
    case 'block':
      return block(work);
    case 'decode':
      return decode(work);
  }
}

const put = ({ shape, data }: Values): tf.Tensor => tf.tensor(data, shape);

async function read(tensors: readonly tf.Tensor[]): Promise<Float32Array[]> {
  const values: Float32Array[] = [];
  for (const t of tensors) values.push(Float32Array.from((await t.data()) as Float32Array));
  return values;
}

function single(op: (...inputs: tf.Tensor[]) => tf.Tensor, values: readonly Values[]): Task {
  const inputs = values.map(put);
  return {
    run: async () => {
      const y = tf.tidy(() => op(...inputs));
      await finish(y);
      y.dispose();
    },
    results: async () => {
      const y = tf.tidy(() => op(...inputs));
      const result = await read([y]);
      y.dispose();
      return result;
    },
    dispose: () => tf.dispose(inputs),
  };
}

const gelu = (x: tf.Tensor): tf.Tensor =>
  tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));

function geluTanh(x: tf.Tensor): tf.Tensor {
  const cubed = tf.mul(tf.mul(x, tf.mul(x, x)), 0.044715);
  const bend = tf.tanh(tf.mul(tf.add(x, cubed), Math.sqrt(2 / Math.PI)));
  return tf.mul(tf.mul(x, 0.5), tf.add(bend, 1));
}

function layerNorm(x: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor): tf.Tensor {
  const centred = tf.sub(x, tf.mean(x, -1, true));
  const variance = tf.mean(tf.square(centred), -1, true);
  return tf.add(tf.mul(tf.mul(centred, tf.rsqrt(tf.add(variance, 1e-5))), scale), shift);
}

function mlp({ batch, widths }: MlpWork): Task {
  const values = mlpBatch(batch, widths);
  const x = put(values.x) as tf.Tensor2D;
  const classes = widths.at(-1)!;
  const hot = new Float32Array(batch * classes);
  values.labels.forEach((label, row) => (hot[row * classes + label] = 1));
  const labels = tf.tensor2d(hot, [batch, classes]);
  const parameters = mlpParameters(widths).map((v) => tf.variable(put(v)));
  const optimiser = tf.train.adam(adam.rate, adam.beta1, adam.beta2, adam.epsilon);
  const loss = (): tf.Scalar => {
    let h: tf.Tensor = x;
    for (let i = 0; i < parameters.length; i += 2) {
      h = tf.add(tf.matMul(h, parameters[i]!), parameters[i + 1]!);
      if (i + 2 < parameters.length) h = tf.relu(h);
    }
    return tf.losses.softmaxCrossEntropy(labels, h) as tf.Scalar;
  };
  let last = NaN;
  const run = async (): Promise<void> => {
    const value = optimiser.minimize(loss, true, parameters)!;
    last = (await value.data())[0]!;
    value.dispose();
    await finish(parameters.at(-1)!);
  };
  return {
    run,
    results: async () => {
      await run();
      await run();
      return [Float32Array.of(last), ...(await read(parameters))];
    },
    dispose: () => {
      optimiser.dispose();
      tf.dispose([x, labels, ...parameters]);
    },
  };
}

function feedForward(h: tf.Tensor, p: Tensors): tf.Tensor {
  const normed = layerNorm(h, p['mlpNorm.scale']!, p['mlpNorm.shift']!);
  const up = geluTanh(linear(normed, 'mlp.up', p));
  return tf.add(linear(up, 'mlp.down', p), h);
}

/** Over all rows at once: a product of [B, T, W] with [W, N] would be one for each of B. */
function linear(x: tf.Tensor, name: string, p: Tensors): tf.Tensor {
  const weight = p[`${name}.weight`]!;
  const flat = tf.reshape(x, [-1, x.shape.at(-1)!]);
  const y = tf.add(tf.matMul(flat, weight), p[`${name}.bias`]!);
  return tf.reshape(y, [...x.shape.slice(0, -1), weight.shape[1]!]);
}

/** [B, T, W] → [B, heads, T, W / heads] */
const split = (x: tf.Tensor, heads: number): tf.Tensor =>
  tf.transpose(tf.reshape(x, [x.shape[0]!, x.shape[1]!, heads, -1]), [0, 2, 1, 3]);

function attend(q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, mask?: tf.Tensor): tf.Tensor {
  const [batch, heads, tokens, width] = q.shape as [number, number, number, number];
  const scores = tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(width));
  const weights = tf.softmax(mask ? tf.add(scores, mask) : scores);
  const mixed = tf.transpose(tf.matMul(weights, v), [0, 2, 1, 3]);
  return tf.reshape(mixed, [batch, tokens, heads * width]);
}

function block({ batch, tokens, width, heads }: BlockWork): Task {
  const inputs: Tensors = { x: put(noise(1, [batch, tokens, width])) };
  for (const [name, values] of Object.entries(blockParameters(width))) inputs[name] = put(values);
  const later = Float32Array.from({ length: tokens * tokens }, (_, i) =>
    i % tokens > Math.floor(i / tokens) ? -1e9 : 0,
  );
  const mask = tf.tensor(later, [tokens, tokens]);
  const names = Object.keys(inputs);
  const loss = (...arguments_: tf.Tensor[]): tf.Scalar => {
    const p = Object.fromEntries(names.map((name, i) => [name, arguments_[i]!]));
    const x = p.x!;
    const normed = layerNorm(x, p['attentionNorm.scale']!, p['attentionNorm.shift']!);
    const [q, k, v] = ['query', 'key', 'value'].map((name) =>
      split(linear(normed, `attention.${name}`, p), heads),
    );
    const mixed = attend(q!, k!, v!, mask);
    const h = tf.add(linear(mixed, 'attention.output', p), x);
    return tf.mean(tf.square(feedForward(h, p)));
  };
  const gradient = tf.valueAndGrads(loss);
  const call = () => gradient(Object.values(inputs));
  return {
    run: async () => {
      const { value, grads } = call();
      await value.data();
      await finish(grads.at(-1)!);
      tf.dispose([value, grads]);
    },
    results: async () => {
      const { value, grads } = call();
      const result = await read([value, ...grads]);
      tf.dispose([value, grads]);
      return result;
    },
    dispose: () => tf.dispose([inputs, mask]),
  };
}

/** The cache grows by concatenation. */
function decode({ batch, tokens, width, heads }: DecodeWork): Task {
  const first = put(noise(1, [batch, 1, width]));
  const p: Tensors = {};
  for (const [name, values] of Object.entries(blockParameters(width))) p[name] = put(values);
  type State = { x: tf.Tensor; keys?: tf.Tensor; values?: tf.Tensor };
  const step = (state: State): State =>
    tf.tidy(() => {
      const { x, keys, values } = state;
      const normed = layerNorm(x, p['attentionNorm.scale']!, p['attentionNorm.shift']!);
      const [q, k, v] = ['query', 'key', 'value'].map((name) =>
        split(linear(normed, `attention.${name}`, p), heads),
      ) as [tf.Tensor, tf.Tensor, tf.Tensor];
      const allKeys = keys ? tf.concat([keys, k], 2) : k;
      const allValues = values ? tf.concat([values, v], 2) : v;
      const mixed = attend(q, allKeys, allValues);
      const y = feedForward(tf.add(linear(mixed, 'attention.output', p), x), p);
      return { x: tf.div(y, tf.add(tf.abs(y), 1)), keys: allKeys, values: allValues };
    });
  const sequence = async (): Promise<tf.Tensor> => {
    let state: State = { x: first.clone() };
    for (let i = 0; i < tokens; i++) {
      const next = step(state);
      tf.dispose(state as unknown as tf.TensorContainer);
      state = next;
    }
    await finish(state.x);
    tf.dispose([state.keys!, state.values!]);
    return state.x;
  };
  return {
    run: async () => (await sequence()).dispose(),
    results: async () => {
      const last = await sequence();
      const result = await read([last]);
      last.dispose();
      return result;
    },
    dispose: () => tf.dispose([first, p]),
  };
}
