import {
  blockUntilReady,
  defaultDevice,
  init,
  jit,
  nn,
  numpy as np,
  tree,
  valueAndGrad,
} from '@jax-js/jax';
import { adam, blockParameters, mlpBatch, mlpParameters, noise, type Values } from './inputs.ts';
import type { Library, Task } from './library.ts';
import type { BlockWork, DecodeWork, MlpWork, Work } from './workloads.ts';

/*
 * jax-js counts references by hand: a function consumes its arguments, `x.ref` keeps one.
 * Everything runs under `jit`, its fastest way.
 */
type Array = np.Array;
type Arrays = Record<string, Array>;

export async function jaxJs(device: 'wasm' | 'webgpu', setting: string): Promise<Library> {
  const available = await init(device);
  if (!available.includes(device)) throw new Error(`jax-js: its ${device} backend does not start`);
  defaultDevice(device);
  return { name: 'jax-js', setting, prepare };
}

function prepare(work: Work): Task | undefined {
  switch (work.kind) {
    case 'matmul':
      return single(
        (a, b) => np.matmul(a!, b!),
        [noise(1, [work.m, work.k]), noise(2, [work.k, work.n])],
      );
    case 'weightGradient':
      return single(
        (a, b) => np.matmul(np.transpose(a!), b!),
        [noise(1, [work.k, work.m]), noise(2, [work.k, work.n])],
      );
    case 'softmax':
      return single((x) => nn.softmax(x!, -1), [noise(1, [work.rows, work.columns], 4)]);
    case 'gelu': {
      const { approximate } = work;
      return single((x) => nn.gelu(x!, { approximate }), [noise(1, [work.size], 4)]);
    }
    case 'multiplyAdd':
      return single(
        (x, y, z) => x!.mul(y!).add(z!),
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

const put = ({ shape, data }: Values): Array =>
  np.array(data as Float32Array<ArrayBuffer>).reshape(shape);

async function read(arrays: readonly Array[]): Promise<Float32Array[]> {
  const values: Float32Array[] = [];
  for (const array of arrays)
    values.push(Float32Array.from((await array.ref.data()) as Float32Array));
  return values;
}

function single(op: (...inputs: Array[]) => Array, values: readonly Values[]): Task {
  const inputs = values.map(put);
  const compiled = jit(op);
  const call = () => compiled(...inputs.map((x) => x.ref)) as Array;
  return {
    run: async () => {
      const y = call();
      await blockUntilReady(y);
      y.dispose();
    },
    results: async () => {
      const y = call();
      const result = await read([y]);
      y.dispose();
      return result;
    },
    dispose: () => {
      tree.dispose(inputs);
      compiled.dispose();
    },
  };
}

const layerNorm = (x: Array, scale: Array, shift: Array): Array =>
  nn.standardize(x, -1, { epsilon: 1e-5 }).mul(scale).add(shift);

function mlp({ batch, widths }: MlpWork): Task {
  const values = mlpBatch(batch, widths);
  const x = put(values.x);
  const labels = np.array(values.labels, { dtype: np.int32 });
  const parameters = mlpParameters(widths).map(put);
  const classes = widths.at(-1)!;
  const loss = (p: Array[], x: Array, labels: Array): Array => {
    let h = x;
    for (let i = 0; i < p.length; i += 2) {
      h = np.matmul(h, p[i]!).add(p[i + 1]!);
      if (i + 2 < p.length) h = nn.relu(h);
    }
    return nn
      .logSoftmax(h, -1)
      .mul(nn.oneHot(labels, classes))
      .sum()
      .mul(-1 / batch);
  };
  const { beta1, beta2, epsilon, rate } = adam;
  const step = jit(
    (p: Array[], m: Array[], v: Array[], corrections: Array[], x: Array, labels: Array) => {
      const [value, gradients] = valueAndGrad(loss)(tree.ref(p), x, labels) as [Array, Array[]];
      const m1 = m.map((m, i) => m.mul(beta1).add(gradients[i]!.ref.mul(1 - beta1)));
      const v1 = v.map((v, i) => v.mul(beta2).add(np.square(gradients[i]!).mul(1 - beta2)));
      const [c1, c2] = corrections as [Array, Array];
      const p1 = p.map((p, i) => {
        const root = np.sqrt(v1[i]!.ref.div(c2.ref)).add(epsilon);
        return p.sub(m1[i]!.ref.div(c1.ref).div(root).mul(rate));
      });
      tree.dispose([c1, c2]);
      return [value, p1, m1, v1] as [Array, Array[], Array[], Array[]];
    },
  );
  let state = [
    parameters,
    parameters.map((p) => np.zerosLike(p.ref)),
    parameters.map((p) => np.zerosLike(p.ref)),
  ] as [Array[], Array[], Array[]];
  let count = 0;
  let last = NaN;
  const run = async (): Promise<void> => {
    count++;
    const corrections = [1 - beta1 ** count, 1 - beta2 ** count].map((c) => np.array([c]));
    const [value, ...next] = step(...state, corrections, x.ref, labels.ref) as unknown as [
      Array,
      Array[],
      Array[],
      Array[],
    ];
    state = next;
    last = ((await value.data()) as Float32Array)[0]!;
    await blockUntilReady(state);
  };
  return {
    run,
    results: async () => {
      await run();
      await run();
      return [Float32Array.of(last), ...(await read(state[0]))];
    },
    dispose: () => {
      tree.dispose([state, x, labels] as never);
      step.dispose();
    },
  };
}

function feedForward(h: Array, p: Arrays): Array {
  const normed = layerNorm(h.ref, p['mlpNorm.scale']!, p['mlpNorm.shift']!);
  const up = np.matmul(normed, p['mlp.up.weight']!).add(p['mlp.up.bias']!);
  const gelu = nn.gelu(up, { approximate: true });
  return np.matmul(gelu, p['mlp.down.weight']!).add(p['mlp.down.bias']!).add(h);
}

/** Query, key and value of the normed input, which the three share. */
function projections(normed: Array, p: Arrays): [Array, Array, Array] {
  const project = (x: Array, name: string) =>
    np.matmul(x, p[`attention.${name}.weight`]!).add(p[`attention.${name}.bias`]!);
  return [project(normed.ref, 'query'), project(normed.ref, 'key'), project(normed, 'value')];
}

const output = (mixed: Array, x: Array, p: Arrays): Array =>
  np.matmul(mixed, p['attention.output.weight']!).add(p['attention.output.bias']!).add(x);

function block({ batch, tokens, width, heads }: BlockWork): Task {
  const inputs: Arrays = { x: put(noise(1, [batch, tokens, width])) };
  for (const [name, values] of Object.entries(blockParameters(width))) inputs[name] = put(values);
  const loss = ({ x, ...p }: Arrays): Array => {
    const normed = layerNorm(x!.ref, p['attentionNorm.scale']!, p['attentionNorm.shift']!);
    const [q, k, v] = projections(normed, p).map((t) =>
      t.reshape([batch, tokens, heads, width / heads]),
    ) as [Array, Array, Array];
    const mixed = nn.dotProductAttention(q, k, v, { isCausal: true });
    const h = output(mixed.reshape([batch, tokens, width]), x!, p);
    return np.mean(np.square(feedForward(h, p)));
  };
  const compiled = jit(valueAndGrad(loss));
  const call = () => compiled(tree.ref(inputs)) as unknown as [Array, Arrays];
  return {
    run: async () => {
      const [value, gradients] = call();
      await value.data();
      await blockUntilReady(gradients);
      tree.dispose(gradients);
    },
    results: async () => {
      const [value, gradients] = call();
      const result = await read([value, ...Object.keys(inputs).map((name) => gradients[name]!)]);
      tree.dispose([value, gradients] as never);
      return result;
    },
    dispose: () => {
      tree.dispose(inputs);
      compiled.dispose();
    },
  };
}

/** One step for all positions: the cache has its full length, later tokens are masked. */
function decode({ batch, tokens, width, heads }: DecodeWork): Task {
  const first = noise(1, [batch, 1, width]);
  const p: Arrays = {};
  for (const [name, values] of Object.entries(blockParameters(width))) p[name] = put(values);
  const split = (t: Array) => t.reshape([batch, -1, heads, width / heads]);
  const step = jit((p: Arrays, x: Array, keys: Array, values: Array, position: Array) => {
    const normed = layerNorm(x.ref, p['attentionNorm.scale']!, p['attentionNorm.shift']!);
    const [q, k, v] = projections(normed, p);
    const index = np.arange(tokens).reshape([1, tokens, 1]);
    const here = np.equal(index.ref, position.ref);
    const newKeys = np.where(here.ref, k, keys);
    const newValues = np.where(here, v, values);
    const mask = np.lessEqual(index, position).reshape([1, 1, 1, tokens]);
    const mixed = nn.dotProductAttention(split(q), split(newKeys.ref), split(newValues.ref), {
      mask,
    });
    const y = feedForward(output(mixed.reshape([batch, 1, width]), x, p), p);
    const next = y.ref.div(np.abs(y).add(1));
    return [next, newKeys, newValues] as [Array, Array, Array];
  });
  const sequence = async (): Promise<Array> => {
    let state: [Array, Array, Array] = [
      put(first),
      np.zeros([batch, tokens, width]),
      np.zeros([batch, tokens, width]),
    ];
    for (let i = 0; i < tokens; i++) {
      const position = np.array([i], { dtype: np.int32 }).reshape([1, 1, 1]);
      state = step(tree.ref(p), ...state, position) as unknown as typeof state;
    }
    await blockUntilReady(state[0]);
    tree.dispose([state[1], state[2]]);
    return state[0];
  };
  return {
    run: async () => (await sequence()).dispose(),
    results: async () => {
      const last = await sequence();
      const result = await read([last]);
      last.dispose();
      return result;
    },
    dispose: () => {
      tree.dispose(p);
      step.dispose();
    },
  };
}
