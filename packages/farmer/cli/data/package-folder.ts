import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/**
 * The folder of an installed npm package, looked for from the working folder and from this file.
 *
 * @throws Error that ends with `remedy` if it is not installed.
 */
export function packageFolder(name: string, remedy: string): string {
  for (const from of [join(process.cwd(), 'package.json'), import.meta.url]) {
    try {
      return dirname(createRequire(from).resolve(`${name}/package.json`));
    } catch {
      // Not visible from here; the next place may see it.
    }
  }
  throw new Error(`the npm package ${name} is not installed; ${remedy}`);
}
