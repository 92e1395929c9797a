import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const folder = join(root, 'docs/method');
const pagesOf = (name: string): string[] =>
  readdirSync(join(root, name)).filter((file) => file.endsWith('.md'));
const pages = pagesOf('docs/method');
const allPages = ['docs/method', 'docs/kernels'].flatMap((name) =>
  pagesOf(name).map((page) => `${name}/${page}`),
);

/** Lines without indentation, less empty ones. */
const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);

describe.each(allPages)('%s', (page) => {
  const text = readFileSync(join(root, page), 'utf8');

  it('quotes lines that are in the code', () => {
    for (const [, block] of text.matchAll(/```ts\n([\s\S]*?)\n *```/g)) {
      const [first, ...quoted] = linesOf(block!);
      const path = /^\/\/ (\S+\.ts)$/.exec(first!)?.[1];
      expect(path, `the first line of\n${block}`).toBeDefined();
      const code = linesOf(readFileSync(join(root, path!), 'utf8'));
      const at = code.indexOf(quoted[0]!);
      expect(at, `"${quoted[0]}" in ${path}, as ${page} quotes it`).toBeGreaterThanOrEqual(0);
      expect(code.slice(at, at + quoted.length), `${path}, as ${page} quotes it`).toEqual(quoted);
    }
  });

  it('links to files that exist', () => {
    const links = [...text.matchAll(/\]\(([^)#]+)\)/g)].map(([, target]) => target!);
    expect(links.length).toBeGreaterThan(0);
    const broken = links
      .filter((target) => !/^https?:/.test(target))
      .filter((target) => !existsSync(join(dirname(join(root, page)), target)));
    expect(broken).toEqual([]);
  });
});

it('every page is in the index, and every figure on a page', () => {
  const index = readFileSync(join(folder, 'README.md'), 'utf8');
  for (const page of pages) {
    if (page !== 'README.md') expect(index).toContain(`(${page})`);
  }
  const all = pages.map((page) => readFileSync(join(folder, page), 'utf8')).join('\n');
  const figures = readdirSync(join(root, 'docs/images/method'));
  expect(figures.length).toBeGreaterThan(5);
  for (const figure of figures) expect(all).toContain(`images/method/${figure}`);
});
