import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { hardwareSigns } from './system-drivers.ts';

export type AdapterKind = 'hardware' | 'lavapipe' | 'swiftshader' | 'other';

/** The command that installs Mesa's Vulkan drivers with the package manager that is here. */
function installMesaCommand(): string | undefined {
  const here = (command: string) =>
    (process.env['PATH'] ?? '').split(':').some((folder) => existsSync(join(folder, command)));
  if (here('apt-get')) return 'bash scripts/install-lavapipe.sh';
  const sudo = process.getuid?.() === 0 ? '' : 'sudo ';
  if (here('dnf')) return `${sudo}dnf install -y mesa-vulkan-drivers vulkan-loader`;
  if (here('pacman')) return `${sudo}pacman -S --noconfirm vulkan-swrast vulkan-icd-loader`;
  if (here('zypper')) return `${sudo}zypper install -y libvulkan_lvp libvulkan1`;
  return undefined;
}

/**
 * What to run for a faster adapter than one of this kind, or for any adapter at all.
 *
 * @returns undefined when there is nothing better to be had.
 */
export function fasterAdapterAdvice(kind: AdapterKind | undefined): string | undefined {
  if (kind === 'hardware' || process.platform !== 'linux') return undefined;
  const card = hardwareSigns().find((sign) => sign.startsWith('/dev/nvidia'));
  const install = installMesaCommand();
  if (card !== undefined) {
    return `install NVIDIA's Vulkan driver (nvidia_icd.json) for the card at ${card}`;
  }
  if (kind === 'lavapipe') return undefined;
  return install ?? "install your distribution's Mesa Vulkan drivers (23.1 or newer)";
}
