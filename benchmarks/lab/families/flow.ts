import {
  affineFlowBackwardOp,
  affineFlowOp,
} from '../../../packages/tensor/src/ops/affine-flow.ts';
import {
  gaussianMixtureBackwardOp,
  gaussianMixtureOp,
} from '../../../packages/tensor/src/ops/gaussian-mixture.ts';
import { shortRowVariants } from '../../../packages/tensor/src/webgpu/rows/select.ts';
import { noise, opWork, type Family } from '../family.ts';
import { byRowVariant } from '../row-variants.ts';

const flowShapes = [
  [64, 49, 16],
  [256, 256, 48],
];

/** The informative and the redundant channels of the preset small. */
const mixtureShapes = [
  [3136, 1, 8, 16],
  [64, 49, 8, 32],
];

export const flowFamilies: readonly Family[] = [
  {
    name: 'affine-flow',
    axes: ['batch', 'tokens', 'channels'],
    shapes: flowShapes,
    work([batch, tokens, channels], device) {
      const x = noise(1, batch!, tokens!, channels!);
      const params = noise(2, batch!, tokens!, 2 * channels!);
      return opWork(
        affineFlowOp,
        [x, params],
        {},
        {
          variants: byRowVariant(affineFlowOp, device, () =>
            shortRowVariants(channels! % 4 === 0 ? channels! / 4 : channels!),
          ),
          tolerance: { absolute: 1e-4 },
        },
      );
    },
  },
  {
    name: 'affine-flow-gradient',
    axes: ['batch', 'tokens', 'channels'],
    shapes: flowShapes,
    work([batch, tokens, channels]) {
      const inputs = [
        noise(1, batch!, tokens!, 2 * channels!),
        noise(2, batch!, tokens!, channels!),
        noise(3, batch!, tokens!, channels!),
        noise(4, batch!, tokens!),
      ];
      return opWork(affineFlowBackwardOp, inputs, {}, { tolerance: { absolute: 1e-4 } });
    },
  },
  {
    name: 'gaussian-mixture',
    axes: ['groups', 'values', 'channels', 'components'],
    shapes: mixtureShapes,
    work([groups, values, channels, components], device) {
      const inputs = mixtureInputs(groups!, values!, channels!, components!);
      const params = { components: components!, logitScale: 1, scale: 1 };
      return opWork(gaussianMixtureOp, inputs, params, {
        variants: byRowVariant(gaussianMixtureOp, device, () => shortRowVariants(components!)),
        // A difference, a product, a square and a sum for each component and channel.
        flops: 4 * groups! * values! * channels! * components!,
        tolerance: { absolute: 2e-4, relative: 2e-5 },
      });
    },
  },
  {
    name: 'gaussian-mixture-gradient',
    axes: ['groups', 'values', 'channels', 'components'],
    shapes: mixtureShapes,
    work([groups, values, channels, components], device) {
      const inputs = [
        ...mixtureInputs(groups!, values!, channels!, components!),
        noise(3, groups!, values!, components!),
      ];
      const params = { components: components!, logitScale: 1, scale: 1 };
      return opWork(gaussianMixtureBackwardOp, inputs, params, {
        variants: byRowVariant(gaussianMixtureBackwardOp, device, () =>
          shortRowVariants(components!),
        ),
        tolerance: { absolute: 1e-3, relative: 1e-4 },
      });
    },
  },
];

const mixtureInputs = (groups: number, values: number, channels: number, components: number) => [
  noise(1, groups, values, channels),
  noise(2, groups, components * (1 + 2 * channels)),
];
