import { describe, expect, it } from 'vitest';
import { differentiate } from '../../packages/tensor/src/expression/differentiate.ts';
import { evaluate } from '../../packages/tensor/src/expression/evaluate.ts';
import { parse } from '../../packages/tensor/src/expression/parse.ts';

const derivative = (formula: string, x: number): number =>
  evaluate(differentiate(parse(formula), 'x'), { x });

describe('derivatives of formulas', () => {
  it.each([
    ['sigmoid(x)', -1000, 0],
    ['sigmoid(x)', 1000, 0],
    ['sigmoid(x)', 0, 0.25],
    ['silu(x)', -1000, 0],
    ['silu(x)', 1000, 1],
    ['softplus(x)', -1000, 0],
    ['softplus(x)', 0, 0.5],
    ['softplus(x)', 1000, 1],
    ['squareplus(x)', -1e10, 0],
    ['squareplus(x)', 0, 0.5],
    ['squareplus(x)', 1e10, 1],
    ['gelu(x)', -1000, 0],
    ['geluTanh(x)', 1000, 1],
    ['relu(x)', 0, 0],
    ['relu(x)', 1e-30, 1],
  ])('%s at %d is finite and right', (formula, x, expected) => {
    expect(derivative(formula, x)).toBeCloseTo(expected, 12);
  });

  it('of a choice do not see the branch that is not taken', () => {
    expect(derivative('where(x > 0, sqrt(x), 3 * x)', -4)).toBe(3);
    expect(derivative('where(x > 0, log(x), 0)', 0)).toBe(0);
    expect(derivative('where(x > 0, sqrt(x), 0)', 4)).toBe(0.25);
  });

  it('of a choice between constants are nothing', () => {
    expect(differentiate(parse('where(x > 0, 1, 2)'), 'x')).toEqual(parse('0'));
  });
});

describe('integer arithmetic', () => {
  it('drops the fraction at every division, and wraps', () => {
    expect(evaluate(parse('x / y + z'), { x: -7, y: 2, z: 3 }, 'i32')).toBe(0);
    expect(evaluate(parse('x - y'), { x: 1, y: 2 }, 'u32')).toBe(2 ** 32 - 1);
    expect(evaluate(parse('x + y'), { x: 2 ** 31 - 1, y: 1 }, 'i32')).toBe(-(2 ** 31));
  });
});
