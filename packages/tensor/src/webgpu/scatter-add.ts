import type { DType } from '../dtype.ts';
import type { IndexedAxis } from '../indexed-axis.ts';
import { memoize } from '../memo.ts';
import type { Tensor } from '../tensor.ts';
import { invocationGrid, kernel, workgroupSize, type KernelRun } from './kernel.ts';
import { elementType } from './wgsl.ts';

interface ScatterTensors {
  readonly values: Tensor;
  readonly indices: Tensor;
  readonly result: Tensor;
}

/**
 * result[o, l, i] = Σ values[o, j, i] over the positions j whose index is l, always in the order of j:
 * each output element collects its own sum, so that no atomics make the order a matter of chance.
 */
export function scatterAddKernel(run: KernelRun, axis: IndexedAxis, tensors: ScatterTensors): void {
  const width = !axis.perElement && axis.inner % 4 === 0 ? 4 : 1;
  const rows = (axis.outer * axis.inner) / width;
  // Searching the indices once for a whole row of sums pays when rows and searches are long.
  if (!axis.perElement && rows >= 4 && axis.count >= 64) sumLists(run, axis, tensors, width);
  else sumByScan(run, axis, tensors, width);
}

/** Every output element looks through all indices. */
function sumByScan(
  run: KernelRun,
  axis: IndexedAxis,
  tensors: ScatterTensors,
  width: number,
): void {
  const inner = axis.inner / width;
  const total = axis.outer * axis.length * inner;
  run.dispatch(
    scanKernel(width, axis.perElement, tensors.values.dtype),
    [tensors.values, tensors.indices, tensors.result],
    [total, axis.length, inner, axis.count],
    invocationGrid(total),
  );
}

/** Lists the positions of each index first; then every output element walks its list. */
function sumLists(run: KernelRun, axis: IndexedAxis, tensors: ScatterTensors, width: number): void {
  const inner = axis.inner / width;
  const total = axis.outer * axis.length * inner;
  const ranges = run.temporary(2 * 4 * axis.length);
  const order = run.temporary(4 * axis.count);
  run.dispatch(
    listKernel,
    [tensors.indices, ranges, order],
    [axis.length, axis.count],
    invocationGrid(axis.length),
  );
  run.dispatch(
    sumKernel(width, tensors.values.dtype),
    [tensors.values, ranges, order, tensors.result],
    [total, axis.length, inner, axis.count],
    invocationGrid(total),
  );
}

const main = `
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let e = linear_workgroup(w, n) * ${workgroupSize} + l;`;

const scanKernel = memoize((width: number, perElement: boolean, dtype: DType) => {
  const element = elementType(dtype, width);
  return kernel({
    name: 'scatterAdd-scan',
    bindings: { values: `read ${element}`, indices: 'read i32', result: `write ${element}` },
    uniforms: { total: 'u32', length: 'u32', inner: 'u32', count: 'u32' },
    code: `${main}
  if (e >= u.total) { return; }
  let i = e % u.inner;
  let position = i32(e / u.inner % u.length);
  let row = e / u.inner / u.length * u.count;
  var sum = ${element}(0);
  for (var j = 0u; j < u.count; j++) {
    let at = (row + j) * u.inner + i;
    if (indices[${perElement ? 'at' : 'j'}] == position) { sum += values[at]; }
  }
  result[e] = sum;
}`,
  });
});

// A stable counting sort without atomics: index e's list starts after all lists of smaller indices.
const listKernel = kernel({
  name: 'scatterAdd-lists',
  bindings: { indices: 'read i32', ranges: 'write u32', order: 'write u32' },
  uniforms: { length: 'u32', count: 'u32' },
  code: `${main}
  if (e >= u.length) { return; }
  var place = 0u;
  for (var j = 0u; j < u.count; j++) {
    let index = indices[j];
    place += select(0u, 1u, index >= 0 && index < i32(e));
  }
  ranges[2 * e] = place;
  for (var j = 0u; j < u.count; j++) {
    if (indices[j] == i32(e)) {
      order[place] = j;
      place++;
    }
  }
  ranges[2 * e + 1] = place;
}`,
});

const sumKernel = memoize((width: number, dtype: DType) => {
  const element = elementType(dtype, width);
  return kernel({
    name: 'scatterAdd-sum',
    bindings: {
      values: `read ${element}`,
      ranges: 'read u32',
      order: 'read u32',
      result: `write ${element}`,
    },
    uniforms: { total: 'u32', length: 'u32', inner: 'u32', count: 'u32' },
    code: `${main}
  if (e >= u.total) { return; }
  let i = e % u.inner;
  let position = e / u.inner % u.length;
  let row = e / u.inner / u.length * u.count;
  let end = ranges[2 * position + 1];
  var sum = ${element}(0);
  for (var k = ranges[2 * position]; k < end; k++) {
    sum += values[(row + order[k]) * u.inner + i];
  }
  result[e] = sum;
}`,
  });
});
