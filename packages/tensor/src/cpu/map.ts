import { loopNest } from '../broadcast.ts';
import { computeType } from '../compute-type.ts';
import type { MapParams } from '../ops/map.ts';
import { pointerOf, type CpuKernel } from './kernel.ts';
import { planPointwise } from './pointwise/plan.ts';

/** Runs a `map` as one compiled loop. */
export const mapKernel: CpuKernel<MapParams> = (run, { inputs, outputs, params }) => {
  const { expressions, names, numbers } = params;
  const nest = loopNest(
    outputs[0]!.shape,
    inputs.map(({ shape }) => shape),
  );
  run.execute(
    planPointwise({
      expressions,
      nest,
      inputs: inputs.map((tensor, i) => {
        return { name: names[i]!, dtype: tensor.dtype, pointer: pointerOf(tensor) };
      }),
      outputs: outputs.map((tensor) => ({ dtype: tensor.dtype, pointer: pointerOf(tensor) })),
      numbers,
      compute: computeType(inputs),
    }),
  );
};
