import { valueAndGrad } from '@farmer/autograd';
import { AdamW, Init, Linear, Module } from '@farmer/nn';
import {
  addAssign,
  crossEntropy,
  empty,
  mean,
  persist,
  sampleRandom,
  scope,
  type Tensor,
} from '@farmer/tensor';
import { uniformSource } from '@farmer/tensor/conformance';

class Classifier extends Module {
  readonly hidden: Linear;
  readonly output: Linear;

  constructor(init: Init) {
    super();
    this.hidden = new Linear(init, 8, 16);
    this.output = new Linear(init, 16, 4);
  }

  forward(x: Tensor): Tensor {
    return this.output.forward(this.hidden.forward(x, { activation: 'geluTanh' }));
  }
}

/** A small classifier that learns which quarter of the plane its first two inputs lie in. */
export function mlpTraining(seed: number) {
  const batch = 32;
  const model = new Classifier(new Init(seed));
  const optimizer = new AdamW(model.namedParameters(), { clipNorm: 1, weightDecay: 0.01 });
  const [x, labels] = persist([empty([batch, 8]), empty([batch], 'i32')]) as [Tensor, Tensor];
  const loss = persist(empty([]));
  return {
    model,
    optimizer,
    loss,
    /** Writes what a step reads: its batch, learning rate and number. */
    prepare(step: number): void {
      const random = sampleRandom(uniformSource(1000 + step));
      const values = Float32Array.from({ length: batch * 8 }, () => random.normal());
      x.write(values);
      labels.write(
        Int32Array.from(
          { length: batch },
          (_, i) => (values[i * 8]! > 0 ? 2 : 0) + (values[i * 8 + 1]! > 0 ? 1 : 0),
        ),
      );
      loss.write([0]);
      optimizer.setStep(0.01, step + 1);
    },
    /** The step's device work: captured, or run each time. */
    compute(): void {
      scope(() => {
        const { value, gradients } = valueAndGrad(
          () => mean(crossEntropy(model.forward(x), labels)),
          model.parameters(),
        );
        optimizer.update(gradients);
        addAssign(loss, value);
      });
    },
    dispose(): void {
      [x, labels, loss, optimizer, model].forEach((owner) => owner.dispose());
    },
  };
}
