/**
 * 2. Gradients: fit a line by gradient descent, then train a small network with AdamW.
 *    npx tsx examples/2-gradients.ts
 */
import { valueAndGrad } from '@farmer/autograd';
import { AdamW, Init, Linear, Module } from '@farmer/nn';
import { map, mean, scope, tensor, type Tensor } from '@farmer/tensor';
import { openDevice } from '@farmer/tensor/node';

const device = await openDevice();

class Network extends Module {
  readonly hidden: Linear;
  readonly output: Linear;
  constructor(init: Init) {
    super();
    this.hidden = new Linear(init, 1, 32);
    this.output = new Linear(init, 32, 1);
  }
  forward(x: Tensor): Tensor {
    return this.output.forward(map('tanh(h)', { h: this.hidden.forward(x) }));
  }
}

const x = tensor(
  Float32Array.from({ length: 64 }, (_, i) => i / 32 - 1),
  [64, 1],
);
const y = map('sin(3 * x)', { x });

const network = new Network(new Init(1));
const optimiser = new AdamW(network.namedParameters(), { weightDecay: 0 });
const loss = () => mean(map('square(p - y)', { p: network.forward(x), y }));

// The first step is recorded and replayed: only the learning rate is rewritten in between.
let step = 1;
optimiser.setStep(1e-2, step);
const graph = device.capture(() =>
  scope(() => {
    optimiser.update(valueAndGrad(loss, network.parameters()).gradients);
  }),
);
for (; step < 400; step++) {
  optimiser.setStep(1e-2, step + 1);
  graph.replay();
}
console.log('mean squared error after 400 steps:', await scope(loss).item());
graph.dispose();
device.destroy();
