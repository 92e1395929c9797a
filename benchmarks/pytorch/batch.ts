/**
 * Writes a batch, a model's parameters, and what our FARMER makes of them (the parts of the log-likelihood, and the
 * gradient of every parameter), for main.py to compare with PyTorch's.
 *
 *     npx tsx benchmarks/pytorch/batch.ts PRESET FILE [cpu | adapter]
 */
import { writeFileSync } from 'node:fs';
import { valueAndGrad } from '@farmer/autograd';
import { encodeSafetensors, type Float32Input } from '@farmer/nn';
import { RandomStream, scope, type Tensor } from '@farmer/tensor';
import { openDevice } from '@farmer/tensor/node';
import { dimensions, Farmer, negativeLogLikelihood, preset } from 'farmer';
import { randomizeParameters } from '../../test/support/farmer.ts';

const [name, path, choice = 'cpu'] = process.argv.slice(2);
if (!name || !path) throw new Error('usage: batch.ts PRESET FILE [cpu | adapter]');
const device = await openDevice(choice === 'cpu' ? { device: 'cpu' } : { adapter: choice });

const { model: config, training } = preset(name);
const { height, width, channels } = config.image;
const { batch } = training;
const model = new Farmer(config, 1);
randomizeParameters(model, 2, 0.02);
const images = new RandomStream(3).normal([batch, height, width, channels]);
const classes = Int32Array.from({ length: batch }, (_, i) => i % (config.classes + 1));
const labels = model.labels(classes);

const tensors: Record<string, Float32Input> = {};
async function keep(key: string, value: Tensor): Promise<void> {
  const data = Float32Array.from(await value.data());
  tensors[key] = { dtype: 'F32', shape: [...value.shape], data };
}

const parameters = model.namedParameters();
const parts = model.logLikelihood(images, labels);
const { gradients } = scope(() =>
  valueAndGrad(
    () => negativeLogLikelihood(model.logLikelihood(images, labels), dimensions(config).values),
    [...parameters.values()],
  ),
);
await keep('tokens', model.tokens(images));
tensors.labels = { dtype: 'F32', shape: [batch], data: Float32Array.from(classes) };
for (const [part, value] of Object.entries(parts)) if (value) await keep(`parts.${part}`, value);
for (const [i, [own, value]] of [...parameters].entries()) {
  await keep(`parameters.${own}`, value);
  await keep(`gradients.${own}`, gradients[i]!);
}
writeFileSync(path, encodeSafetensors(tensors, { preset: name, model: JSON.stringify(config) }));
console.log(`${path}: ${parameters.size} parameters, a batch of ${batch}, on ${device.name}`);
device.destroy();
