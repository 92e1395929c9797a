import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { buildProgram } from '../../packages/farmer/cli/program.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const markdownIn = (folder: string, recursive = false): string[] =>
  readdirSync(join(root, folder), { recursive, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name));
const documents = [...markdownIn('.'), ...markdownIn('docs', true), 'benchmarks/peers/README.md'];

const program = buildProgram();

/** Lines without indentation, less empty ones. */
const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);

/** As GitHub makes a heading's anchor. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} -]/gu, '')
    .replaceAll(' ', '-');

function hasAnchor(path: string, anchor: string): boolean {
  const headings = [...read(path).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading!));
  return headings.includes(anchor);
}

/** Every `farmer …` in code, up to its end, a comment or the next command of a shell. */
const commandsIn = (text: string): string[] =>
  [...text.matchAll(/```sh\n([\s\S]*?)\n *```|`([^`]+)`/g)]
    .flatMap(([, block, span]) => (block ?? span!).replaceAll(/\s*\n\s+/g, ' ').split(/[\n;#]|&&/))
    .flatMap((line) => /(?:^|\bnpx |\bnohup )farmer (\S.*)/.exec(line.trim())?.[1] ?? []);

it.each(documents.filter((document) => document.startsWith('docs/')))(
  '%s quotes lines that are in the code',
  (document) => {
    for (const [, block] of read(document).matchAll(/```ts\n([\s\S]*?)\n *```/g)) {
      const [first, ...quoted] = linesOf(block!);
      const path = /^\/\/ (\S+\.ts)$/.exec(first!)?.[1];
      expect(path, `the first line of\n${block}`).toBeDefined();
      const code = linesOf(read(path!));
      const at = code.indexOf(quoted[0]!);
      expect(at, `"${quoted[0]}" in ${path}`).toBeGreaterThanOrEqual(0);
      expect(code.slice(at, at + quoted.length), path).toEqual(quoted);
    }
  },
);

it.each(documents)('%s links to files and headings that exist', (document) => {
  const links = [...read(document).matchAll(/\]\(([^)]+)\)/g)].map(([, target]) => target!);
  const broken = links.filter((target) => {
    if (/^https?:/.test(target)) return false;
    const [path, anchor] = target.split('#') as [string, string?];
    const file = path === '' ? document : join(dirname(document), path);
    return !existsSync(join(root, file)) || (anchor !== undefined && !hasAnchor(file, anchor));
  });
  expect(broken).toEqual([]);
});

it.each(documents)('%s gives commands that there are, with their options', async (document) => {
  const { commands } = await program;
  const unknown = commandsIn(read(document)).flatMap((line) => {
    const [name, sub] = line.split(' ');
    const top = commands.find((command) => command.name() === name);
    const command = top?.commands.find((each) => each.name() === sub) ?? top;
    if (!command) return [`farmer ${line}`];
    const known = ['--help', ...command.options.map(({ long }) => long)];
    const given = [...line.matchAll(/(?<=\s)--[a-z-]+/g)].map(([option]) => option);
    return given.filter((option) => !known.includes(option)).map((option) => `${option}: ${line}`);
  });
  expect(unknown).toEqual([]);
});

it('finds the documents, and what is in them', () => {
  expect(documents).toContain('README.md');
  expect(documents).toContain('docs/method/1-flow.md');
  expect(documents.flatMap((document) => commandsIn(read(document))).length).toBeGreaterThan(80);
});

it('every page is in the index, and every figure on a page', () => {
  const pages = markdownIn('docs/method');
  const index = read('docs/method/README.md');
  for (const page of pages) {
    if (!page.endsWith('README.md')) expect(index).toContain(`(${page.split('/').at(-1)})`);
  }
  const all = documents.map(read).join('\n');
  for (const folder of ['docs/images', 'docs/images/method']) {
    const figures = readdirSync(join(root, folder)).filter((file) => file.endsWith('.png'));
    expect(figures.length).toBeGreaterThan(5);
    for (const figure of figures)
      expect(all).toContain(`${folder.slice('docs/'.length)}/${figure}`);
  }
});
