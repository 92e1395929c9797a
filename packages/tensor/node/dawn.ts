import { withVulkanDriver } from './vulkan-loader.ts';

/**
 * Dawn's instances, held for the life of the process: Dawn aborts or hangs when the object that
 * `create` returned is collected while a device made from it lives. Keyed by what they were
 * created with, so that reopening an adapter adds none.
 */
const instances = new Map<string, GPU>();

/** What one look at the machine's adapters gives: an adapter, or the names of those that exist. */
export type AdapterAnswer =
  | { readonly adapter: GPUAdapter }
  | { readonly adapter: undefined; readonly existing: readonly string[] };

export interface AdapterQuery {
  /** A full adapter name, or part of one; Dawn takes the first that contains it. */
  readonly name?: string;
  /** A Vulkan driver manifest to use instead of the system's drivers. */
  readonly driverFile?: string;
  /**
   * Keep Dawn's bounds checks and zeroed workgroup memory in shaders. They cost SwiftShader half
   * of its speed, and kernels with much workgroup memory far more.
   */
  readonly robustness: boolean;
}

/**
 * Toggles, in the one string that Dawn reads (a second `enable-dawn-features` would replace it):
 * - allow_unsafe_apis: offers `chromium-experimental-subgroup-matrix`.
 * - vulkan_enable_f16_on_nvidia: offers `shader-f16` there.
 * - disable_robustness: no clamping of indices; every kernel guards its own bounds.
 * - disable_workgroup_init: no zeroing of workgroup memory; every kernel writes it before reading.
 */
function createOptions(query: AdapterQuery): string[] {
  const enabled = ['allow_unsafe_apis', 'vulkan_enable_f16_on_nvidia'];
  if (!query.robustness) enabled.push('disable_robustness', 'disable_workgroup_init');
  const options = [
    `enable-dawn-features=${enabled.join(',')}`,
    // Timestamps are for benchmarks here, where 100 µs steps are too coarse.
    'disable-dawn-features=timestamp_quantization',
  ];
  if (query.name !== undefined) options.push(`adapter=${query.name}`);
  return options;
}

async function instanceFor(query: AdapterQuery): Promise<GPU> {
  const options = createOptions(query);
  const key = [query.driverFile ?? '', ...options].join('\n');
  const existing = instances.get(key);
  if (existing !== undefined) return existing;
  const { create, globals } = await import('webgpu');
  // GPUBufferUsage and its like are globals in a browser; the framework uses them as such.
  Object.assign(globalThis, globals);
  const instance = create(options);
  instances.set(key, instance);
  return instance;
}

/** Adapters that a message of dawn.node lists, apart from backends that are no full WebGPU. */
function listedNames(message: string): string[] {
  const lines = [...message.matchAll(/backend: '([^']*)', name: '(.*)'/g)];
  const full = lines.filter(([, backend]) => !/^(null|opengl|opengles)$/.test(backend ?? ''));
  return full.map(([, , name]) => name ?? '');
}

/** Asks Dawn for an adapter. It answers with the names that exist when none fits the query. */
export async function queryAdapter(query: AdapterQuery): Promise<AdapterAnswer> {
  const instance = await instanceFor(query);
  try {
    // Dawn enumerates the drivers within this call, before it returns its promise.
    const request = withVulkanDriver(query.driverFile, () =>
      instance.requestAdapter({ powerPreference: 'high-performance' }),
    );
    const adapter = await request;
    return adapter === null ? { adapter: undefined, existing: [] } : { adapter };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { adapter: undefined, existing: listedNames(message) };
  }
}

/** The names of all adapters that Dawn accepts with the system's drivers. */
export async function listAdapters(): Promise<readonly string[]> {
  // Dawn tells the names only to someone who asks for one that does not exist.
  const name = 'no adapter is called this';
  const answer = await queryAdapter({ name, robustness: true });
  return answer.adapter === undefined ? answer.existing : [];
}
