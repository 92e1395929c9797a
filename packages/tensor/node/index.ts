export { NoAdapterError, adapterKind, openAdapter } from './adapter.ts';
export type { OpenAdapter, OpenAdapterOptions } from './adapter.ts';
export type { AdapterKind } from './advice.ts';
export { DeviceLostError, openWebGpuDevice } from './device.ts';
export type { OpenWebGpuDevice } from './device.ts';
export type { Rejection } from './system-drivers.ts';
export { cacheRoot } from './unpack.ts';
