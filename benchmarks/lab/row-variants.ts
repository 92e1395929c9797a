import type { Device, Op, WebGpuCapabilities } from '@farmer/tensor';
import type { RowVariant } from '../../packages/tensor/src/webgpu/rows/variant.ts';
import { capabilitiesOf } from './family.ts';

/** The op with all of its row kernels by one variant. */
const forced = <P>(op: Op<P>, rowVariant: RowVariant): Op<P> => {
  const kernel = op.kernels!.webgpu!;
  return { ...op, kernels: { webgpu: (run, call) => kernel({ ...run, rowVariant }, call) } };
};

/** The op by each variant that the device runs. */
export function byRowVariant<P>(
  op: Op<P>,
  device: Device,
  variants: (capabilities: WebGpuCapabilities) => readonly RowVariant[],
): (readonly [name: string, op: Op<P>])[] {
  const capabilities = capabilitiesOf(device);
  if (!capabilities) return [];
  return variants(capabilities).map((variant) => [variant.name, forced(op, variant)]);
}
