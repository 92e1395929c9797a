import { constants } from 'node:os';

/** glibc's RTLD_NODELETE: the library stays loaded although Node finds no addon in it and closes it. */
const RTLD_NODELETE = 0x1000;

/**
 * Loads a Vulkan loader into this process, so that Dawn's own `dlopen("libvulkan.so.1")` finds it.
 *
 * @param path a file, or a bare library name to look up on the system's library path.
 * @returns undefined when it is loaded, otherwise the dynamic linker's reason.
 */
export function loadVulkanLoader(path = 'libvulkan.so.1'): string | undefined {
  const { RTLD_NOW, RTLD_GLOBAL } = constants.dlopen;
  try {
    process.dlopen({ exports: {} }, path, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    // Node complains about every library that is no addon, after it was loaded.
    if (!reason.includes('did not self-register')) return reason;
  }
  return undefined;
}

/** The Vulkan loader reads the first; loaders older than 1.3.207 know the second alone. */
const DRIVER_VARIABLES = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'];

/**
 * Calls `open` while the Vulkan loader sees only the driver manifest `driverFile`, or, when that
 * is undefined, whatever the environment names. The environment is back as it was on return, so
 * that neither a later call nor a child process inherits the choice.
 */
export function withVulkanDriver<Result>(
  driverFile: string | undefined,
  open: () => Result,
): Result {
  if (driverFile === undefined) return open();
  const saved = DRIVER_VARIABLES.map((name) => [name, process.env[name]] as const);
  for (const name of DRIVER_VARIABLES) process.env[name] = driverFile;
  try {
    return open();
  } finally {
    for (const [name, value] of saved) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}
