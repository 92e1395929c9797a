import { smallestStd, type MixtureParams } from '../ops/mixture-head.ts';
import type { Tensor } from '../tensor.ts';
import type { CpuKernel } from './kernel.ts';
import { exp, log } from './math.ts';
import { eachMixtureGroup, planMixture } from './mixture.ts';
import { sumOfLanes } from './lanes.ts';
import { eachQuad, foldQuads } from './quads.ts';
import {
  F32x4,
  I32,
  I32x4,
  kernelModule,
  ModuleBuilder,
  type FunctionBuilder,
} from './wasm/index.ts';

/** Inputs z and head; outputs log-probabilities [G, n] and log π_k N_k of every component [G, n, K]. */
export const gaussianMixtureKernel: CpuKernel<MixtureParams> = (
  run,
  { inputs: [z, head], outputs: [logProb, component], params },
) => {
  const blocks = [z!, head!, logProb!, component!];
  const plan = planMixture(z!, blocks, params, true);
  run.execute({ key: 'gaussian mixture', build: forwardModule, ...plan });
};

/**
 * Component by component over a group's values, then value by value. In a thread's scratch memory lie a row of one
 * component's inverse deviations, and for each component log π - log Π σ, at first in parts.
 */
function forwardModule(): ModuleBuilder {
  const module = new ModuleBuilder();
  const inverses = module.scratch;
  module.kernel((f, args, task) => {
    eachMixtureGroup(f, args, task, 4, (at, [z, head, logProb, component]) => {
      const { channelBytes, componentBytes, first, end } = at;
      const { logits, means, raws } = at.partsOf(head!);
      const peaks = f.let(inverses.add(channelBytes).add(16));
      const exponents = f.let(peaks.add(componentBytes).add(16));
      const offset = f.let(I32.of(0));
      f.while(offset.lt(componentBytes), () => {
        const product = new Product(f);
        eachQuad(f, channelBytes, (quad) => {
          const { std, inverse } = at.deviations(quad.load(raws));
          f.store(inverses.add(quad.offset), inverse);
          product.multiply(quad.keep(std, 1));
        });
        product.store(peaks.add(offset), exponents.add(offset));
        const value = f.let(first);
        const row = f.let(z!.add(first.mul(channelBytes)));
        const target = f.let(component!.add(first.mul(componentBytes)).add(offset));
        f.while(value.lt(end), () => {
          const squares = f.let(F32x4.of(0));
          eachQuad(f, channelBytes, (quad) => {
            const inverse = quad.load(inverses);
            const deviation = f.let(quad.load(row).sub(quad.load(means)).mul(inverse));
            f.set(squares, squares.add(quad.keep(deviation.mul(deviation), 0)));
          });
          f.store(target, sumOfLanes(f, squares).mul(-0.5).lane(0));
          f.set(row, row.add(channelBytes));
          f.set(target, target.add(componentBytes));
          f.set(value, value.add(1));
        });
        f.set(means, means.add(channelBytes));
        f.set(raws, raws.add(channelBytes));
        f.set(offset, offset.add(4));
      });

      const { shifted, total } = at.weights(logits);
      const constant = f.let(log(f, total).add(at.constant));
      eachQuad(f, componentBytes, (quad) => {
        const logStds = quad.load(exponents).madd(Math.LN2, log(f, quad.load(peaks)));
        const logWeight = shifted(quad.load(logits)).sub(constant);
        f.store(peaks.add(quad.offset), logWeight.sub(logStds));
      });
      const value = f.let(first);
      f.while(value.lt(end), () => {
        const joint = f.let(component!.add(value.mul(componentBytes)));
        f.store(logProb!.add(value.shl(2)), addPeaks(f, joint, peaks, componentBytes).lane(0));
        f.set(value, value.add(1));
      });
    });
  });
  return module;
}

/** A product of positive numbers, as mantissas in [1, 2) and exponents: neither overflows, and one logarithm does. */
class Product {
  readonly #f: FunctionBuilder;
  readonly #mantissas: F32x4;
  readonly #exponents: I32x4;

  constructor(f: FunctionBuilder) {
    this.#f = f;
    this.#mantissas = f.let(F32x4.of(1));
    this.#exponents = f.let(I32x4.of(0));
  }

  multiply(factors: F32x4): void {
    const bits = this.#f.let(this.#mantissas.mul(factors).asI32x4());
    this.#f.set(this.#exponents, this.#exponents.add(bits.shr(23)).sub(127));
    this.#f.set(this.#mantissas, bits.and(0x007fffff).or(0x3f800000).asF32x4());
  }

  /** Writes the mantissas' product, in [1, 16), and the sum of the exponents, both as floats. */
  store(mantissa: I32, exponent: I32): void {
    const m = this.#mantissas;
    const pairs = this.#f.let(m.mul(m.shuffle(m, [2, 3, 0, 1])));
    this.#f.store(mantissa, pairs.lane(0).mul(pairs.lane(1)));
    this.#f.store(exponent, sumOfLanes(this.#f, this.#exponents.toF32x4()).lane(0));
  }
}

/** Adds a group's peaks to a value's row and returns its log Σ exp, also where all is -∞. */
function addPeaks(f: FunctionBuilder, joint: I32, peaks: I32, bytes: I32): F32x4 {
  const largest = foldQuads(f, 'max', bytes, (quad) => {
    const logJoint = f.let(quad.load(joint).add(quad.load(peaks)));
    quad.store(joint, logJoint);
    return logJoint;
  });
  const isFinite = f.let(largest.abs().le(3.4028234e38));
  const shift = f.let(isFinite.select(largest, 0));
  const total = foldQuads(f, 'sum', bytes, (q) => exp(f, f.let(q.load(joint).sub(shift))));
  return f.let(isFinite.select(shift.add(log(f, total)), largest));
}

/** Inputs z, head, and the gradient of every log π_k N_k; outputs the gradients of z and head. */
export const gaussianMixtureBackwardKernel: CpuKernel<MixtureParams> = (
  run,
  { inputs: [z, head, weights], outputs: [dz, dhead], params },
) => {
  const blocks = [z, head, weights, dz, dhead] as Tensor[];
  const plan = planMixture(z!, blocks, params, false);
  run.execute({ key: 'gaussian mixture backward', build: backwardModule, ...plan });
};

/**
 * With x̂ = (z - μ)/σ and w the weight: ∂z = -Σ_k w x̂/σ, ∂μ = Σ_v w x̂/σ, and, since ∂σ/∂raw = σ/√(raw² + 4),
 * ∂raw = Σ_v w (x̂² - 1)/√(raw² + 4), or 0 at the smallest σ.
 */
function backwardModule() {
  return kernelModule((f, args, task) => {
    eachMixtureGroup(f, args, task, 5, (at, [z, head, weights, dz, dhead]) => {
      const { channelBytes, componentBytes, first, end } = at;
      const { logits, means, raws } = at.partsOf(head!);
      const gradient = at.partsOf(dhead!);
      const ownZ = f.let(z!.add(first.mul(channelBytes)));
      const ownDz = f.let(dz!.add(first.mul(channelBytes)));
      const ownWeights = f.let(weights!.add(first.mul(componentBytes)));
      const count = f.let(end.sub(first));
      eachQuad(f, f.let(count.mul(channelBytes)), (quad) => quad.store(ownDz, F32x4.of(0)));

      // T_π (Σ_v w_k - π_k Σ_v Σ_k w)
      const sum = foldQuads(f, 'sum', f.let(count.mul(componentBytes)), (q) => q.load(ownWeights));
      const { shifted, total } = at.weights(logits);
      const share = f.let(sum.div(total));
      eachQuad(f, componentBytes, (quad) => {
        const own = f.let(F32x4.of(0));
        const row = f.let(ownWeights);
        f.loop(0, count, 1, () => {
          f.set(own, own.add(quad.load(row)));
          f.set(row, row.add(componentBytes));
        });
        const excess = own.sub(exp(f, shifted(quad.load(logits))).mul(share));
        quad.store(gradient.logits, excess.mul(at.logitScale));
      });

      const lastWeight = f.let(ownWeights.add(componentBytes));
      f.while(ownWeights.lt(lastWeight), () => {
        eachQuad(f, channelBytes, (quad) => {
          const mean = quad.load(means);
          const { inverse, root, squareplus } = at.deviations(quad.load(raws));
          const [pulls, stretches] = [f.let(F32x4.of(0)), f.let(F32x4.of(0))];
          const [row, drow, weight] = [f.let(ownZ), f.let(ownDz), f.let(ownWeights)];
          f.loop(0, count, 1, () => {
            const w = f.let(f.splat(weight));
            const deviation = f.let(quad.load(row).sub(mean).mul(inverse));
            const pull = f.let(w.mul(deviation));
            f.set(pulls, pulls.add(pull));
            f.set(stretches, stretches.add(pull.mul(deviation).sub(w)));
            quad.store(drow, quad.load(drow).sub(pull.mul(inverse)));
            f.set(row, row.add(channelBytes));
            f.set(drow, drow.add(channelBytes));
            f.set(weight, weight.add(componentBytes));
          });
          quad.store(gradient.means, pulls.mul(inverse));
          const slope = squareplus.gt(smallestStd).select(stretches.div(root), 0);
          quad.store(gradient.raws, slope);
        });
        for (const pointer of [means, raws, gradient.means, gradient.raws]) {
          f.set(pointer, pointer.add(channelBytes));
        }
        f.set(ownWeights, ownWeights.add(4));
      });
    });
  });
}
