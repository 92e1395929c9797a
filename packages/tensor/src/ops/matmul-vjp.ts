import { input, inputNames, type Expression } from '../expression/ast.ts';
import { differentiate } from '../expression/differentiate.ts';
import { call } from '../expression/simplify.ts';
import { WeakMemo } from '../memo.ts';
import type { VjpCall } from '../op.ts';
import { sizeOf } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { mapMany } from './map.ts';
import { matmul, type MatmulOptions, type MatmulParams } from './matmul.ts';
import { reshape } from './reshape.ts';
import { sumTo } from './sum-to.ts';

const gradientName = 'gradient_';

/** Gradients of a, b and the epilogue's inputs: first through the formula to ∂loss/∂acc, then through the product. */
export function matmulVjp({
  inputs,
  params,
  gradients,
  needed,
  takeSum,
}: VjpCall<MatmulParams>): (Tensor | null)[] {
  const [a, b, ...extra] = inputs as [Tensor, Tensor, ...Tensor[]];
  const gradient = gradients[0];
  if (!gradient) return inputs.map(() => null);
  const wanted = [
    ...(needed[0] || needed[1] ? ['acc'] : []),
    ...params.names.filter((_, i) => needed[i + 2]),
  ];
  const partials = epilogueGradients(wanted, a, b, extra, params, gradient);
  const accumulated = partials.get('acc') ?? null;
  return [
    needed[0] && accumulated ? gradientOfA(a, b, params, accumulated, () => takeSum(0)) : null,
    needed[1] && accumulated ? gradientOfB(a, b, params, accumulated, () => takeSum(1)) : null,
    ...extra.map((tensor, i) => {
      const partial = needed[i + 2] ? partials.get(params.names[i]!) : undefined;
      return partial ? sumTo(partial, tensor.shape) : null;
    }),
  ];
}

/** gradient · ∂formula/∂name for each name, all in one kernel; null where the formula is flat. */
function epilogueGradients(
  wanted: readonly string[],
  a: Tensor,
  b: Tensor,
  extra: readonly Tensor[],
  params: MatmulParams,
  gradient: Tensor,
): Map<string, Tensor | null> {
  const { transposeA, transposeB, epilogue, names, numbers } = params;
  const result = new Map<string, Tensor | null>();
  const pending: { name: string; formula: Expression }[] = [];
  for (const name of wanted) {
    const formula = gradientFormula(epilogue, name);
    if (formula.kind === 'constant') result.set(name, null);
    else if (formula.kind === 'input') result.set(name, gradient);
    else pending.push({ name, formula });
  }
  if (pending.length === 0) return result;
  const formulas = pending.map(({ formula }) => formula);
  const values: Record<string, Tensor | number> = { [gradientName]: gradient, ...numbers };
  const used = inputNames(...formulas);
  // The sums are not kept from the forward pass: few formulas need them again.
  if (used.includes('acc')) values.acc = matmul(a, b, { transposeA, transposeB });
  names.forEach((name, i) => used.includes(name) && (values[name] = extra[i]!));
  mapMany(formulas, values).forEach((tensor, i) => result.set(pending[i]!.name, tensor));
  return result;
}

// By expression object, since pointwise kernels are cached by it.
const formulas = new WeakMemo<Expression, Expression>();

/** gradient · ∂epilogue/∂name; a constant (0) where the formula is flat. */
function gradientFormula(epilogue: Expression, name: string): Expression {
  return formulas.get(epilogue, name, () =>
    call('multiply', [input(gradientName), differentiate(epilogue, name)]),
  );
}

/** dA = G·Bᵀ, or B·Gᵀ where a is stored transposed. */
function gradientOfA(a: Tensor, b: Tensor, params: MatmulParams, g: Tensor, takeSum: TakeSum) {
  const { transposeA, transposeB } = params;
  const plus = batchSize(a) === batchSize(g) ? plusSum(takeSum()) : {};
  const full = transposeA
    ? matmul(b, g, { transposeA: transposeB, transposeB: true, ...plus })
    : matmul(g, b, { transposeB: !transposeB, ...plus });
  return sumTo(full, a.shape);
}

/** dB = Aᵀ·G, or Gᵀ·A where b is stored transposed; one sum over all rows where b is shared by all batches. */
function gradientOfB(a: Tensor, b: Tensor, params: MatmulParams, g: Tensor, takeSum: TakeSum) {
  const { transposeA, transposeB } = params;
  const isShared = batchSize(b) === 1 && !transposeA;
  const rows = (x: Tensor) =>
    isShared ? reshape(x, [sizeOf(x.shape.slice(0, -1)), x.shape.at(-1)!]) : x;
  const plus = isShared || batchSize(b) === batchSize(g) ? plusSum(takeSum(), rows) : {};
  const full = transposeB
    ? matmul(rows(g), rows(a), { transposeA: true, transposeB: transposeA, ...plus })
    : matmul(rows(a), rows(g), { transposeA: !transposeA, ...plus });
  return isShared ? reshape(full, b.shape) : sumTo(full, b.shape);
}

type TakeSum = () => Tensor | undefined;

const batchSize = ({ shape }: Tensor) => sizeOf(shape.slice(0, -2));

/** Options of a product to which the sum of earlier gradients is added as it is stored. */
function plusSum(sum: Tensor | undefined, view = (x: Tensor) => x): MatmulOptions {
  return sum ? { epilogue: 'acc + sum', inputs: { sum: view(sum) } } : {};
}
