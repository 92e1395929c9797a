import { constant, input, substitute, type Expression } from './ast.ts';
import { definitions, primitives, type Primitive } from './primitives.ts';
import { call } from './simplify.ts';

/** A formula that does not parse. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError';
}

// Binary operators by precedence, loosest first.
const levels: readonly Readonly<Record<string, string>>[] = [
  {
    '<': 'less',
    '<=': 'lessEqual',
    '>': 'greater',
    '>=': 'greaterEqual',
    '==': 'equal',
    '!=': 'notEqual',
  },
  { '+': 'add', '-': 'subtract' },
  { '*': 'multiply', '/': 'divide' },
];

const tokenPattern =
  /\s*(?:(\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)|([A-Za-z_]\w*)|(<=|>=|==|!=|[-+*/(),<>]))/y;

interface Token {
  readonly kind: 'number' | 'name' | 'symbol' | 'end';
  readonly text: string;
  readonly at: number;
}

function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  tokenPattern.lastIndex = 0;
  while (source.slice(tokenPattern.lastIndex).trim() !== '') {
    const at = tokenPattern.lastIndex;
    const match = tokenPattern.exec(source);
    if (!match)
      throw new ExpressionError(`expression "${source}": cannot read "${source.slice(at)}"`);
    const kind = match[1] ? 'number' : match[2] ? 'name' : 'symbol';
    tokens.push({ kind, text: match[1] ?? match[2] ?? match[3]!, at });
  }
  return [...tokens, { kind: 'end', text: 'the end', at: source.length }];
}

const cache = new Map<string, Expression>();

/**
 * Parses a formula such as '(x - shift) * exp(-logScale)'. Operators: + - * / < <= > >= == !=, unary -;
 * functions: the primitives and definitions of primitives.ts.
 * @throws ExpressionError naming what was expected
 */
export function parse(source: string): Expression {
  let expression = cache.get(source);
  if (!expression) {
    expression = parseUncached(source);
    cache.set(source, expression);
  }
  return expression;
}

function parseUncached(source: string): Expression {
  const tokens = tokenize(source);
  let position = 0;
  const peek = () => tokens[position]!;
  const take = () => tokens[position++]!;
  const fail = (expected: string): never => {
    throw new ExpressionError(
      `expression "${source}": expected ${expected} at character ${peek().at + 1}, found ${peek().text}`,
    );
  };
  const expect = (text: string) => {
    if (peek().text !== text) fail(`"${text}"`);
    take();
  };

  const binary = (level: number): Expression => {
    const operators = levels[level];
    if (!operators) return unary();
    let left = binary(level + 1);
    while (peek().kind === 'symbol' && Object.hasOwn(operators, peek().text)) {
      const fn = operators[take().text]!;
      left = callNamed(fn, [left, binary(level + 1)]);
    }
    return left;
  };
  const unary = (): Expression => {
    if (peek().text !== '-') return atom();
    take();
    return call('negate', [unary()]);
  };
  const atom = (): Expression => {
    const token = peek();
    if (token.kind === 'number') return constant(Number(take().text));
    if (token.text === '(') {
      take();
      const inner = binary(0);
      expect(')');
      return inner;
    }
    if (token.kind !== 'name') return fail('a value');
    take();
    return peek().text === '(' ? callNamed(token.text, parseArguments()) : input(token.text);
  };
  const parseArguments = (): Expression[] => {
    take();
    const args = [binary(0)];
    while (peek().text === ',') {
      take();
      args.push(binary(0));
    }
    expect(')');
    return args;
  };

  const result = binary(0);
  if (peek().kind !== 'end') fail('an operator or the end');
  return result;
}

function callNamed(name: string, args: Expression[]): Expression {
  const definition = Object.hasOwn(definitions, name) ? definitions[name]! : undefined;
  const known =
    definition ?? (Object.hasOwn(primitives, name) ? primitives[name as Primitive] : undefined);
  if (!known) {
    const names = [...Object.keys(primitives), ...Object.keys(definitions)].sort();
    throw new ExpressionError(`expression: no function "${name}"; there are ${names.join(', ')}`);
  }
  if (known.args.length !== args.length) {
    throw new ExpressionError(
      `expression: ${name} takes ${known.args.length} arguments (${known.args.join(', ')}), got ${args.length}`,
    );
  }
  if (!definition) return call(name as Primitive, args);
  return substitute(
    parse(definition.body),
    Object.fromEntries(definition.args.map((arg, i) => [arg, args[i]!])),
  );
}
