import { execFile } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Something that could have been the adapter, and why it is not. */
export interface Rejection {
  readonly what: string;
  readonly why: string;
}

const MANIFEST_FOLDERS = [
  '/etc/vulkan/icd.d',
  '/usr/local/share/vulkan/icd.d',
  '/usr/share/vulkan/icd.d',
];

/** Driver manifests that the Vulkan loader would read on this system. */
export function systemDriverFiles(): string[] {
  const named = process.env['VK_DRIVER_FILES'] ?? process.env['VK_ICD_FILENAMES'];
  if (named !== undefined) return named.split(delimiter).filter((path) => existsSync(path));
  return MANIFEST_FOLDERS.flatMap((folder) => {
    if (!existsSync(folder)) return [];
    return readdirSync(folder).map((name) => join(folder, name));
  });
}

/** Signs of a graphics card in this machine, whether or not it has a driver. */
export function hardwareSigns(): string[] {
  const list = (folder: string, names: RegExp) =>
    (existsSync(folder) ? readdirSync(folder) : [])
      .filter((name) => names.test(name))
      .map((name) => `${folder}/${name}`);
  // A container with one card of several has its number alone.
  return [...list('/dev', /^(nvidia\d+|dxg|kfd)$/), ...list('/dev/dri', /^renderD/)];
}

/**
 * What Dawn prints about the adapters that it refuses. It prints to the process's own error
 * stream and returns nothing, so a child process is asked (0.1 s).
 */
async function dawnWarnings(): Promise<string[]> {
  const webgpu = pathToFileURL(createRequire(import.meta.url).resolve('webgpu')).href;
  const program = `
    const { create } = await import(${JSON.stringify(webgpu)});
    await create(['adapter=no adapter is called this']).requestAdapter().catch(() => null);`;
  const options = { timeout: 20_000 };
  const args = ['--input-type=module', '--eval', program];
  const output = await run(process.execPath, args, options).then(
    ({ stderr }) => stderr,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  const warnings = [...output.matchAll(/^Warning: (.*)$/gm)].map((match) => match[1] ?? '');
  const isChatter = (line: string) => /artificially reduced|loader_get_json/.test(line);
  return [...new Set(warnings.filter((line) => !isChatter(line)))];
}

async function debianVersion(packageName: string): Promise<string> {
  const query = run('dpkg-query', ['-W', '-f', '${Version}', packageName]);
  const version = await query.then(({ stdout }) => stdout.trim()).catch(() => '');
  return version === '' ? '' : ` ${version}`;
}

/**
 * Why the system's own lavapipe, if its manifest lies there, is not among Dawn's adapters.
 *
 * @returns undefined when the system has no lavapipe at all.
 */
export async function explainMissingLavapipe(): Promise<Rejection | undefined> {
  const isLavapipe = (path: string) => /lvp|lavapipe/.test(path + readFileSync(path, 'utf8'));
  const manifest = systemDriverFiles().find(isLavapipe);
  if (manifest === undefined) return undefined;
  const warnings = await dawnWarnings();
  const tooOld = warnings.find((line) => /^Vulkan .* required/.test(line));
  if (tooOld !== undefined) {
    const isPackaged = manifest.startsWith('/usr/share/');
    const version = isPackaged ? await debianVersion('mesa-vulkan-drivers') : ` at ${manifest}`;
    const missing = tooOld.replace(/\.$/, '');
    return { what: `lavapipe (Mesa${version})`, why: `too old for Dawn: ${missing}` };
  }
  const why = warnings.length > 0 ? warnings.join('; ') : 'the driver offers no device';
  return { what: `lavapipe (${manifest})`, why };
}
