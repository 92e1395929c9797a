import { valueAndGrad } from '@farmer/autograd';
import { Adam, createKeyValueCache, Init, Linear, Module, TransformerBlock } from '@farmer/nn';
import {
  assign,
  crossEntropy,
  layerNorm,
  map,
  matmul,
  mean,
  persist,
  scope,
  softmax,
  tensor,
  zeros,
  type Device,
  type Tensor,
} from '@farmer/tensor';
import { adam, blockParameters, mlpBatch, mlpParameters, noise, type Values } from './inputs.ts';
import type { Library, Task } from './library.ts';
import type { BlockWork, DecodeWork, MlpWork, Work } from './workloads.ts';

export function ours(device: Device): Library {
  const prepare = (work: Work): Task | undefined => {
    switch (work.kind) {
      case 'matmul': {
        const [a, b] = [put(noise(1, [work.m, work.k])), put(noise(2, [work.k, work.n]))];
        return single(device, () => matmul(a, b), [a, b]);
      }
      case 'weightGradient': {
        const [a, b] = [put(noise(1, [work.k, work.m])), put(noise(2, [work.k, work.n]))];
        return single(device, () => matmul(a, b, { transposeA: true }), [a, b]);
      }
      case 'softmax': {
        const x = put(noise(1, [work.rows, work.columns], 4));
        return single(device, () => softmax(x), [x]);
      }
      case 'gelu': {
        const x = put(noise(1, [work.size], 4));
        const formula = work.approximate ? 'geluTanh(x)' : 'gelu(x)';
        return single(device, () => map(formula, { x }), [x]);
      }
      case 'multiplyAdd': {
        const [x, y, z] = [1, 2, 3].map((seed) => put(noise(seed, [work.size])));
        const inputs = { x: x!, y: y!, z: z! };
        return single(device, () => map('x * y + z', inputs), Object.values(inputs));
      }
      case 'layerNorm': {
        const x = put(noise(1, [work.rows, work.columns]));
        const scale = put(noise(2, [work.columns], 0.5, 1));
        const shift = put(noise(3, [work.columns]));
        return single(device, () => layerNorm(x, scale, shift), [x, scale, shift]);
      }
      case 'mlp':
        return mlp(device, work);
      case 'block':
        return block(device, work);
      case 'decode':
        return decode(device, work);
    }
  };
  return { name: 'ours', setting: device.name, prepare, close: () => device.destroy() };
}

const put = ({ shape, data }: Values): Tensor => persist(tensor(data, shape));

const read = async (tensors: readonly Tensor[]): Promise<Float32Array[]> =>
  (await Promise.all(tensors.map((t) => t.data()))).map((data) => Float32Array.from(data));

/** An op that is called anew each time. */
function single(device: Device, op: () => Tensor, inputs: readonly Tensor[]): Task {
  return {
    run: async () => {
      scope(() => void op());
      await device.synchronize();
    },
    results: async () => {
      const result = op();
      const values = await read([result]);
      result.dispose();
      return values;
    },
    dispose: () => inputs.forEach((input) => input.dispose()),
  };
}

/** Sets a module's parameters to given values. */
function load(module: Module, values: readonly Values[]): void {
  module.parameters().forEach((parameter, i) => parameter.write(values[i]!.data));
}

class Network extends Module {
  readonly layers: readonly Linear[];

  constructor(init: Init, widths: readonly number[]) {
    super();
    this.layers = widths.slice(1).map((width, i) => new Linear(init, widths[i]!, width));
  }

  forward(x: Tensor): Tensor {
    const last = this.layers.length - 1;
    return this.layers.reduce(
      (h, layer, i) => layer.forward(h, i < last ? { activation: 'relu' } : {}),
      x,
    );
  }
}

function mlp(device: Device, { batch, widths }: MlpWork): Task {
  const network = new Network(new Init(0), widths);
  load(network, mlpParameters(widths));
  const parameters = network.namedParameters();
  const optimiser = new Adam(parameters, { betas: [adam.beta1, adam.beta2] });
  const values = mlpBatch(batch, widths);
  const x = put(values.x);
  const labels = persist(tensor(values.labels, [batch], 'i32'));
  const loss = persist(zeros([]));
  let step = 1;
  optimiser.setStep(adam.rate, step);
  const graph = device.capture(() =>
    scope(() => {
      const { value, gradients } = valueAndGrad(
        () => mean(crossEntropy(network.forward(x), labels)),
        network.parameters(),
      );
      optimiser.update(gradients, value);
      assign(loss, value);
    }),
  );
  const run = async (): Promise<void> => {
    optimiser.setStep(adam.rate, ++step);
    graph.replay();
    await loss.item();
  };
  return {
    run,
    results: async () => {
      await run();
      return read([loss, ...network.parameters()]);
    },
    dispose: () => {
      graph.dispose();
      optimiser.dispose();
      network.dispose();
      for (const t of [x, labels, loss]) t.dispose();
    },
  };
}

function block(device: Device, { batch, tokens, width, heads }: BlockWork): Task {
  const module = new TransformerBlock(new Init(0), { width, heads });
  load(module, Object.values(blockParameters(width)));
  const x = put(noise(1, [batch, tokens, width]));
  const wanted = [x, ...module.parameters()];
  const loss = persist(zeros([]));
  let gradients: Tensor[] = [];
  const graph = device.capture(() => {
    const body = () => mean(map('y * y', { y: module.forward(x, { causal: true }) }));
    const result = valueAndGrad(body, wanted);
    assign(loss, result.value);
    gradients = result.gradients;
    result.value.dispose();
  });
  const run = async (): Promise<void> => {
    graph.replay();
    await loss.item();
  };
  return {
    run,
    results: async () => {
      await run();
      return read([loss, ...gradients]);
    },
    dispose: () => {
      for (const t of [x, loss, ...gradients]) t.dispose();
      graph.dispose();
      module.dispose();
    },
  };
}

function decode(device: Device, { batch, tokens, width, heads }: DecodeWork): Task {
  const module = new TransformerBlock(new Init(0), { width, heads });
  load(module, Object.values(blockParameters(width)));
  const first = noise(1, [batch, 1, width]);
  const token = put(first);
  const position = persist(tensor([0], [1], 'u32'));
  const cache = persist(createKeyValueCache([batch, tokens, width]));
  const graph = device.capture(() =>
    scope(() => {
      const y = module.step(token, cache, position);
      assign(token, map('y / (1 + abs(y))', { y }));
      assign(position, map('position + 1', { position }));
    }),
  );
  const run = async (): Promise<void> => {
    token.write(first.data);
    position.write([0]);
    for (let i = 0; i < tokens; i++) graph.replay();
    await device.synchronize();
  };
  return {
    run,
    results: async () => {
      await run();
      return read([token]);
    },
    dispose: () => {
      graph.dispose();
      module.dispose();
      for (const t of [token, position, cache.keys, cache.values]) t.dispose();
    },
  };
}
