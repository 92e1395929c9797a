import { apply1 } from '../apply.ts';
import { crossEntropyGradientKernel, crossEntropyKernel } from '../cpu/cross-entropy.ts';
import { runRowKernel } from '../cpu/rows.ts';
import type { Op, TensorSpec } from '../op.ts';
import { mapRows, referenceLogSumExp, rowsOf } from '../reference-rows.ts';
import { ndarray, type NdArray } from '../reference.ts';
import type { SampleRandom } from '../sample.ts';
import { formatShape, sameShape, ShapeError } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { rowKernels, runRows } from '../webgpu/rows/row-kernel.ts';

type NoParams = Record<never, never>;

/** −log softmax(logits)[label] for each row of logits. */
export const crossEntropyOp: Op<NoParams> = {
  name: 'crossEntropy',
  infer([logits, labels]) {
    checkLabels('crossEntropy', logits!, labels!);
    return [{ shape: labels!.shape, dtype: 'f32' }];
  },
  reference([logits, labels]) {
    const [rows, classes] = rowsOf(logits!.shape);
    const values = Array.from({ length: rows }, (_, row) => {
      const own = logits!.data.subarray(row * classes, (row + 1) * classes);
      return referenceLogSumExp(own) - (own[labels!.data[row]!] ?? NaN);
    });
    return [ndarray(labels!.shape, values)];
  },
  kernels: {
    cpu: (run, { inputs: [logits, labels], outputs: [loss] }) => {
      const size = rowsOf(logits!.shape);
      runRowKernel(run, crossEntropyKernel, size, [
        [logits!, size[1]],
        [labels!, 1],
        [loss!, 1],
      ]);
    },
    webgpu: (run, { inputs: [logits, labels], outputs: [loss] }) => {
      const size = rowsOf(logits!.shape);
      runRows(run, forward, size, [logits!, labels!, loss!], [size[1], NaN]);
    },
  },
  vjp: ({ inputs: [logits, labels], gradients: [g], needed }) => [
    g && needed[0] ? apply1(crossEntropyGradientOp, [logits!, labels!, g], {}) : null,
    null,
  ],
  sample: (random) => ({ inputs: sampleLogits(random), params: {} }),
};

/** ∂L/∂logits = g (softmax(logits) − onehot(label)) */
export const crossEntropyGradientOp: Op<NoParams> = {
  name: 'crossEntropyGradient',
  infer([logits, labels, g]) {
    checkLabels('crossEntropyGradient', logits!, labels!);
    if (!sameShape(g!.shape, labels!.shape)) {
      throw new ShapeError(
        `crossEntropyGradient: gradient ${formatShape(g!.shape)} and labels ` +
          `${formatShape(labels!.shape)} differ in shape`,
      );
    }
    return [{ shape: logits!.shape, dtype: 'f32' }];
  },
  reference([logits, labels, g]) {
    let row = 0;
    const rule = (own: Float64Array) => {
      const lse = referenceLogSumExp(own);
      const [label, gradient] = [labels!.data[row]!, g!.data[row]!];
      row++;
      return own.map((x, i) => gradient * (Math.exp(x - lse) - (i === label ? 1 : 0)));
    };
    return [mapRows([logits!], rule)];
  },
  kernels: {
    cpu: (run, { inputs: [logits, labels, g], outputs: [dx] }) => {
      const size = rowsOf(logits!.shape);
      runRowKernel(run, crossEntropyGradientKernel, size, [
        [logits!, size[1]],
        [labels!, 1],
        [g!, 1],
        [dx!, size[1]],
      ]);
    },
    webgpu: (run, { inputs: [logits, labels, g], outputs: [dx] }) =>
      runRows(run, backward, rowsOf(logits!.shape), [logits!, labels!, g!, dx!]),
  },
  sample(random) {
    const [logits, labels] = sampleLogits(random);
    return { inputs: [logits!, labels!, random.normals(labels!.shape)], params: {} };
  },
};

const forward = rowKernels({
  name: 'cross-entropy',
  reductions: ['max', 'sum'],
  bindings: { x: 'read row', labels: 'read i32', loss: 'write f32' },
  uniforms: { classes: 'u32', invalid: 'f32' },
  body: ({ T, width, each, total }) => `
  var most = x[start];
  ${each('most = max(most, x[at]);')}
  let shift = ${total('max', 'most')};
  var sum = ${T}(0);
  ${each(`sum += exp(x[at] - ${T}(shift));`)}
  let whole = ${total('sum', 'sum')};
  if (lane == 0u) {
    let label = u32(labels[row]);
    var own = u.invalid;
    if (label < u.classes) { own = ${width === 4 ? 'x[start + label / 4u][label % 4u]' : 'x[start + label]'}; }
    loss[row] = (shift - own) + log(whole);
  }`,
});

const backward = rowKernels({
  name: 'cross-entropy-gradient',
  reductions: ['max', 'sum'],
  bindings: { x: 'read row', labels: 'read i32', g: 'read f32', dx: 'write row' },
  body: ({ T, width, each, total }) => `
  var most = x[start];
  ${each('most = max(most, x[at]);')}
  let shift = ${total('max', 'most')};
  var sum = ${T}(0);
  ${each(`let e = exp(x[at] - ${T}(shift)); sum += e; dx[at] = e;`)}
  let whole = ${total('sum', 'sum')};
  let label = u32(labels[row]);
  ${each(`
    let hit = ${width === 4 ? 'vec4u(i * 4u) + vec4u(0u, 1u, 2u, 3u) == vec4u(label)' : 'i == label'};
    dx[at] = g[row] * (dx[at] / whole - select(${T}(0), ${T}(1), hit));`)}`,
});

function checkLabels(op: string, logits: TensorSpec, labels: TensorSpec): void {
  const fits =
    logits.dtype === 'f32' &&
    labels.dtype === 'i32' &&
    logits.shape.length > 0 &&
    sameShape(logits.shape.slice(0, -1), labels.shape);
  if (!fits) {
    throw new ShapeError(
      `${op}: logits ${logits.dtype} ${formatShape(logits.shape)} and labels ${labels.dtype} ` +
        `${formatShape(labels.shape)}; needs f32 logits [..., classes] and i32 labels [...]`,
    );
  }
}

function sampleLogits(random: SampleRandom): NdArray[] {
  const rows = random.pick([
    () => random.shape(random.integer(0, 3), 9),
    () => random.shape(random.integer(0, 3), 9),
    () => [random.integer(30, 90)],
    () => [random.integer(30, 90)],
    () => [65536 + random.integer(0, 9)],
  ])();
  const classes = rows[0]! > 65535 ? random.integer(1, 4) : random.length(129);
  const logits = random.normals([...rows, classes], random.pick([1, 20]));
  return [logits, random.integers(rows, 0, classes - 1)];
}

/**
 * Cross-entropy of integer labels under softmax(logits), in nats, one value a row.
 * A label outside 0 … C − 1 gives NaN.
 * @param logits f32 [..., C]
 * @param labels i32 [...]
 * @returns f32 [...]
 * @throws ShapeError when the shapes do not fit
 */
export function crossEntropy(logits: Tensor, labels: Tensor): Tensor {
  return apply1(crossEntropyOp, [logits, labels], {});
}
