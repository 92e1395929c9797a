/**
 * 3. An invertible flow: fit it to two moons, check that it inverts, and read exact likelihoods.
 *    npx tsx examples/3-flow.ts
 */
import { valueAndGrad } from '@farmer/autograd';
import { AdamW, cosine, Init } from '@farmer/nn';
import {
  map,
  mean,
  scope,
  sum,
  tensor,
  philoxNormals,
  philoxUniforms,
  type Tensor,
} from '@farmer/tensor';
import { openDevice } from '@farmer/tensor/node';
import { FlowBlock, flowDirection } from 'farmer';

const device = await openDevice();

const noiseScale = 0.1;

/** A point of the upper or lower half circle. */
function moon(angle: number, upper: boolean): [number, number] {
  return upper
    ? [Math.cos(angle) - 0.5, Math.sin(angle) - 0.25]
    : [0.5 - Math.cos(angle), 0.25 - Math.sin(angle)];
}

/** Points near two interleaved half circles, as sequences of two tokens of one channel. */
function twoMoons(count: number, step: number): Tensor {
  const [u, noise] = [philoxUniforms(1, step, 0, count), philoxNormals(1, step, 1, 2 * count)];
  const points = Float32Array.from({ length: 2 * count }, (_, i) => {
    const k = i >> 1;
    return moon(Math.PI * u[k]!, k % 2 === 0)[i % 2]! + noiseScale * noise[i]!;
  });
  return tensor(points, [count, 2, 1]);
}

/** The density from which the points come, by quadrature over both half circles. */
function trueLogDensity(x: number, y: number): number {
  const steps = 400;
  let density = 0;
  for (let i = 0; i < 2 * steps; i++) {
    const [mx, my] = moon((Math.PI * ((i >> 1) + 0.5)) / steps, i % 2 === 0);
    density += Math.exp(-((x - mx) ** 2 + (y - my) ** 2) / (2 * noiseScale ** 2));
  }
  return Math.log(density / (2 * steps) / (2 * Math.PI * noiseScale ** 2));
}

// Four blocks that read the two coordinates in turn in either order.
const init = new Init(2);
const blocks = [0, 1, 2, 3].map(
  (t) =>
    new FlowBlock(init, {
      tokens: 2,
      channels: 1,
      layers: 1,
      width: 32,
      heads: 2,
      direction: flowDirection(t),
    }),
);

/** log p(x) = log N(z; 0, I) + Σ log|det| of the blocks, [B]. */
function logLikelihood(x: Tensor): Tensor {
  let z = x;
  let total: Tensor | undefined;
  for (const block of blocks) {
    const mapped = block.forward(z);
    z = mapped.z;
    total = total ? map('a + b', { a: total, b: mapped.logDet }) : mapped.logDet;
  }
  const prior = sum(map('-0.5 * z * z - 0.9189385', { z }), { axes: [1, 2] });
  return map('prior + total', { prior, total: total! });
}

const named = new Map(
  blocks.flatMap((block, t) =>
    [...block.namedParameters()].map(([name, p]) => [`${t}.${name}`, p] as const),
  ),
);
const optimiser = new AdamW(named, { weightDecay: 0, clipNorm: 1 });
const steps = 800;
const rate = cosine({ peak: 4e-3, final: 1e-5, warmup: 20, total: steps });
for (let step = 0; step < steps; step++) {
  optimiser.setStep(rate(step), step + 1);
  scope(() => {
    const x = twoMoons(256, step);
    const loss = () => map('-l', { l: mean(logLikelihood(x)) });
    optimiser.update(valueAndGrad(loss, [...named.values()]).gradients);
  });
}

const test = twoMoons(1000, 10_000);
const nats = await scope(() => mean(logLikelihood(test))).item();
const points = await test.data();
let best = 0;
for (let i = 0; i < 1000; i++) best += trueLogDensity(points[2 * i]!, points[2 * i + 1]!) / 1000;
console.log(
  `test log-likelihood: ${nats.toFixed(3)} nats a point; the true density: ${best.toFixed(3)}`,
);

const back = scope(() => {
  const z = blocks.reduce((x, block) => block.forward(x).z, test);
  return blocks.reduceRight((latent, block) => block.inverse(latent), z);
});
const [x, y] = [await test.data(), await back.data()];
console.log(
  `largest round-trip error: ${Math.max(...x.map((value, i) => Math.abs(value - y[i]!)))}`,
);
device.destroy();
