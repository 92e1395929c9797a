import type { MixtureParams } from '../ops/mixture-head.ts';
import type { Tensor } from '../tensor.ts';
import type { CpuKernel } from './kernel.ts';
import { exp } from './math.ts';
import { eachMixtureGroup, planMixture } from './mixture.ts';
import { eachQuad } from './quads.ts';
import { F32, I32, ModuleBuilder } from './wasm/index.ts';

/** Inputs head, uniforms [G, n] and normals [G, n, d]; output a draw for each, [G, n, d]. */
export const sampleGaussianMixtureKernel: CpuKernel<MixtureParams> = (
  run,
  { inputs: [head, uniforms, normals], outputs: [draws], params },
) => {
  const blocks = [head, uniforms, normals, draws] as Tensor[];
  const plan = planMixture(normals!, blocks, params, true);
  run.execute({ key: 'sample gaussian mixture', build: sampleModule, ...plan });
};

function sampleModule(): ModuleBuilder {
  const module = new ModuleBuilder();
  const weights = module.scratch;
  module.kernel((f, args, task) => {
    eachMixtureGroup(f, args, task, 4, (at, [head, uniforms, normals, draws]) => {
      const { channelBytes, componentBytes, first, end } = at;
      const { logits, means, raws } = at.partsOf(head!);
      const { shifted, total } = at.weights(logits);
      eachQuad(f, componentBytes, (quad) => {
        f.store(weights.add(quad.offset), exp(f, shifted(quad.load(logits))));
      });
      const value = f.let(first);
      f.while(value.lt(end), () => {
        // The first component whose cumulative weight exceeds the uniform, or the last one of any weight.
        const threshold = f.let(f.f32(uniforms!.add(value.shl(2))).mul(total.lane(0)));
        const cumulative = f.let(F32.of(0));
        const [picked, k] = [f.let(I32.of(0)), f.let(I32.of(0))];
        f.while(k.lt(componentBytes).and(cumulative.gt(threshold).not()), () => {
          const weight = f.let(f.f32(weights.add(k)));
          f.set(cumulative, cumulative.add(weight));
          f.set(picked, weight.gt(0).select(I32, k, picked));
          f.set(k, k.add(4));
        });
        const chosen = f.let(picked.shr(2).mul(channelBytes));
        const [mean, raw] = [f.let(means.add(chosen)), f.let(raws.add(chosen))];
        const own = f.let(value.mul(channelBytes));
        const [normal, draw] = [f.let(normals!.add(own)), f.let(draws!.add(own))];
        eachQuad(f, channelBytes, (quad) => {
          const { std } = at.deviations(quad.load(raw));
          quad.store(draw, std.madd(quad.load(normal), quad.load(mean)));
        });
        f.set(value, value.add(1));
      });
    });
  });
  return module;
}
