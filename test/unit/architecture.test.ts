import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const packages = join(root, 'packages');
/** Each package may import those before it. */
const order = ['tensor', 'autograd', 'nn', 'farmer'];
const packageNames: Record<string, string> = {
  '@farmer/tensor': 'tensor',
  '@farmer/autograd': 'autograd',
  '@farmer/nn': 'nn',
  farmer: 'farmer',
};
const maxLines = 320;

interface SourceFile {
  readonly path: string;
  readonly text: string;
  /** Specifiers of all imports and re-exports; `erased` ones import types alone. */
  readonly imports: readonly { readonly specifier: string; readonly erased: boolean }[];
}

function filesUnder(folder: string): SourceFile[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => {
      const path = join(folder, name);
      const text = readFileSync(path, 'utf8');
      const pattern = /^(?:import|export)\s+(type\s+)?([^;]*?from\s+)?'([^']+)'/gm;
      const imports = [...text.matchAll(pattern)].map(([, type, names, specifier]) => ({
        specifier: specifier!,
        erased: type !== undefined || onlyTypes(names),
      }));
      return { path, text, imports };
    });
}

/** Whether every name of `{ type A, type B } from` is a type. */
function onlyTypes(names: string | undefined): boolean {
  const inside = names && /\{([^}]*)\}/.exec(names)?.[1];
  if (!inside) return false;
  const parts = inside
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean);
  return parts.every((part) => part.startsWith('type '));
}

const sources = order.flatMap((name) => filesUnder(join(packages, name, 'src')));
const all = order.flatMap((name) => filesUnder(join(packages, name)));
const packageOf = (path: string) => relative(packages, path).split('/')[0]!;
const isOp = (path: string) => dirname(path) === join(packages, 'tensor/src/ops');
const short = (path: string) => relative(root, path);

describe('architecture', () => {
  test('finds the sources', () => {
    expect(sources.length).toBeGreaterThan(100);
  });

  test('packages depend one way: tensor ← autograd ← nn ← farmer', () => {
    const wrong = all.flatMap(({ path, imports }) =>
      imports
        .map(({ specifier }) => packageNames[specifier.split('/node')[0]!])
        .filter((name) => name && order.indexOf(name) > order.indexOf(packageOf(path)))
        .map((name) => `${short(path)} imports ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  test('relative imports stay inside a package', () => {
    const wrong = all.flatMap(({ path, imports }) =>
      imports
        .filter(({ specifier }) => specifier.startsWith('.'))
        .filter(({ specifier }) => packageOf(resolve(dirname(path), specifier)) !== packageOf(path))
        .map(({ specifier }) => `${short(path)} imports ${specifier}`),
    );
    expect(wrong).toEqual([]);
  });

  test('src folders run in a browser: they import nothing of Node, the command line or the driver', () => {
    const allowed = new Set([...Object.keys(packageNames), 'zod']);
    const wrong = sources.flatMap(({ path, imports }) =>
      imports
        .filter(({ specifier }) => !specifier.startsWith('.') && !allowed.has(specifier))
        .concat(imports.filter(({ specifier }) => /\.\/(node|cli)\//.test(specifier)))
        .map(({ specifier }) => `${short(path)} imports ${specifier}`),
    );
    expect(wrong).toEqual([]);
  });

  // Ops are each other's gradients (slice's is pad, pad's is slice), so files of ops/ may: they call, when all is loaded.
  test('no file imports itself in a circle, but for ops whose gradients are each other', () => {
    const graph = new Map(
      all.map(({ path, imports }) => [
        path,
        imports
          .filter(({ specifier, erased }) => specifier.startsWith('.') && !erased)
          .map(({ specifier }) => resolve(dirname(path), specifier))
          .filter((target) => !(isOp(path) && isOp(target))),
      ]),
    );
    expect(cyclesOf(graph).map((cycle) => cycle.map(short).join(' → '))).toEqual([]);
  });

  test('index files only export', () => {
    const wrong = all
      .filter(({ path }) => path.endsWith('/index.ts'))
      .filter(({ text }) =>
        /^(const|let|function|class|async)\b/m.test(
          text.replace(/^export (type )?\{[^}]*\}/gm, ''),
        ),
      );
    expect(wrong.map(({ path }) => short(path))).toEqual([]);
  });

  test(`files stay under ${maxLines} lines`, () => {
    const long = all.filter(({ text }) => text.split('\n').length > maxLines);
    expect(long.map(({ path, text }) => `${short(path)}: ${text.split('\n').length}`)).toEqual([]);
  });
});

/** One cycle for each back edge of a depth-first search. */
function cyclesOf(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const cycles: string[][] = [];
  const done = new Set<string>();
  const visit = (node: string, path: readonly string[]): void => {
    const at = path.indexOf(node);
    if (at >= 0) cycles.push([...path.slice(at), node]);
    if (at >= 0 || done.has(node)) return;
    for (const next of graph.get(node) ?? []) visit(next, [...path, node]);
    done.add(node);
  };
  for (const node of graph.keys()) visit(node, []);
  return cycles;
}
