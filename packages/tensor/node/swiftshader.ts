import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { unpackCached } from './unpack.ts';

const PACKAGE = '@sparticuz/chromium';
const LOADER = 'libvulkan.so.1';
const DRIVER = 'libvk_swiftshader.so';
const DRIVER_MANIFEST = 'vk_swiftshader_icd.json';

/** The software Vulkan driver and loader that travel with an npm package, unpacked. */
export interface CarriedSwiftShader {
  /** Path of a Vulkan loader, for a system that has none. */
  readonly loader: string;
  /** Path of the driver manifest for VK_DRIVER_FILES. */
  readonly driverFile: string;
}

/** The package exports nothing but its code, so its archive is found beside that. */
function archivePath(): string {
  const entry = createRequire(import.meta.url).resolve(PACKAGE);
  const root = entry.slice(0, entry.lastIndexOf(join(PACKAGE)) + join(PACKAGE).length);
  return join(root, 'bin', 'swiftshader.tar.br');
}

/**
 * Unpacks SwiftShader and its Vulkan loader into the user's cache (9 MB, once per package version).
 *
 * @throws Error when this is not Linux x64, or the package is missing or damaged.
 */
export function unpackSwiftShader(): CarriedSwiftShader {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(`it is built for linux-x64 only, not ${process.platform}-${process.arch}`);
  }
  const archive = archivePath();
  // The archive's own sum names the folder: another version never meets this one's files.
  const sum = createHash('sha256').update(readFileSync(archive)).digest('hex').slice(0, 12);
  const names = [LOADER, DRIVER, DRIVER_MANIFEST];
  const directory = unpackCached(archive, `swiftshader-${sum}`, names);
  return { loader: join(directory, LOADER), driverFile: join(directory, DRIVER_MANIFEST) };
}
