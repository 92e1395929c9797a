import type { SubgroupMatrix, WebGpuCapabilities } from './kernel.ts';

/** Features that kernels use where the adapter has them; each is checked for before use. */
export const KERNEL_FEATURES: readonly string[] = [
  'subgroups',
  'shader-f16',
  'timestamp-query',
  'chromium-experimental-subgroup-matrix',
];

/**
 * Opens an adapter's device with all of its limits, and the features that kernels use. Errors that nobody scopes are
 * printed with the adapter's name.
 */
export async function requestGpu(adapter: GPUAdapter, name: string): Promise<GPUDevice> {
  const wanted = KERNEL_FEATURES.filter((feature) => adapter.features.has(feature));
  const gpu = await adapter.requestDevice({
    requiredFeatures: wanted as GPUFeatureName[],
    requiredLimits: fullLimits(adapter.limits),
  });
  gpu.addEventListener('uncapturederror', ({ error }) => {
    console.error(`WebGPU error on '${name}': ${error.message}`);
  });
  return gpu;
}

/** All of the adapter's limits, as `requiredLimits`: WebGPU's defaults are far lower. */
function fullLimits(limits: GPUSupportedLimits): Record<string, number> {
  const full: Record<string, number> = {};
  // The limits are getters of the prototype, so a plain spread would miss them.
  for (const name in limits) {
    const value = limits[name as keyof GPUSupportedLimits];
    if (typeof value === 'number') full[name] = value;
  }
  return full;
}

/** 'f16' lets matrix products round their factors to f16 where the adapter has matrix units for it. */
export type Precision = 'f32' | 'f16';

/** What kernels may use of a device that `requestGpu` opened. */
export function capabilitiesOf(
  { info }: GPUAdapter,
  { features, limits }: GPUDevice,
  adapterKind: WebGpuCapabilities['adapterKind'],
  precision: Precision = 'f32',
): WebGpuCapabilities {
  const { subgroupMinSize: minSize, subgroupMaxSize: maxSize } = info;
  return {
    ...{ adapterKind, limits },
    subgroups: features.has('subgroups') ? { minSize, maxSize } : undefined,
    subgroupMatrix: precision === 'f16' ? subgroupMatrixOf(info, features) : undefined,
  };
}

/** The smallest shape of f16 factors and f32 sums that the adapter's matrix units multiply. */
function subgroupMatrixOf(
  info: GPUAdapterInfo,
  features: GPUSupportedFeatures,
): SubgroupMatrix | undefined {
  const needed = ['chromium-experimental-subgroup-matrix', 'shader-f16', 'subgroups'];
  if (!needed.every((feature) => features.has(feature))) return undefined;
  // Not yet in WebGPU's types.
  const { subgroupMatrixConfigs = [] } = info as { subgroupMatrixConfigs?: Iterable<Config> };
  return [...subgroupMatrixConfigs]
    .filter(({ componentType, resultComponentType }) => {
      return componentType === 'f16' && resultComponentType === 'f32';
    })
    .map(({ M, N, K }) => ({ m: M, n: N, k: K }))
    .sort((a, b) => a.m * a.n * a.k - b.m * b.n * b.k)[0];
}

/** One of Dawn's `subgroupMatrixConfigs`. */
interface Config {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}
