import type { Device, Op, WebGpuCapabilities } from '@farmer/tensor';
import { capabilitiesOf, pretending } from './family.ts';

type Ways<P> = (readonly [name: string, op: Op<P>])[];

/** Row kernels by who shares a row: a workgroup with a tree of barriers, subgroups in a workgroup, or one subgroup. */
export function rowTeams<P>(op: Op<P>, device: Device): Ways<P> {
  const capabilities = capabilitiesOf(device);
  if (!capabilities) return [];
  const ways: Ways<P> = [
    ['2-barriers', pretending(op, { adapterKind: 'hardware', subgroups: undefined })],
  ];
  if (!hasFixedSubgroups(capabilities)) return ways;
  return [
    ...ways,
    ['3-subgroups', pretending(op, { adapterKind: 'hardware' })],
    ['4-one-subgroup', pretending(op, { adapterKind: 'software' })],
  ];
}

const hasFixedSubgroups = ({ subgroups }: WebGpuCapabilities): boolean =>
  subgroups !== undefined && subgroups.minSize === subgroups.maxSize;

/** Kernels that give short rows one lane each, or several that meet at barriers. */
export function rowLanes<P>(op: Op<P>, device: Device): Ways<P> {
  if (!capabilitiesOf(device)) return [];
  return [
    ['1-lanes-share-a-row', pretending(op, { adapterKind: 'hardware' })],
    ['2-lane-a-row', pretending(op, { adapterKind: 'software' })],
  ];
}
