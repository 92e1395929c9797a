import { apply } from '../apply.ts';
import { cacheWriteKernel as cpuKernel } from '../cpu/cache-write.ts';
import type { Op } from '../op.ts';
import { formatShape, sameShape, ShapeError } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { invocationGrid, kernel, workgroupSize } from '../webgpu/kernel.ts';

const copyRows = kernel({
  name: 'cache-write',
  bindings: { rows: 'read f32', position: 'read u32', cache: 'write f32' },
  uniforms: { size: 'u32', rowBlock: 'u32', cacheBlock: 'u32', width: 'u32' },
  code: `
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) w: vec3u, @builtin(num_workgroups) n: vec3u, @builtin(local_invocation_index) l: u32) {
  let i = linear_workgroup(w, n) * ${workgroupSize} + l;
  if (i >= u.size) { return; }
  let target_at = position[0] * u.width + i % u.rowBlock;
  if (target_at < u.cacheBlock) { cache[(i / u.rowBlock) * u.cacheBlock + target_at] = rows[i]; }
}`,
});

/** cache[:, position + i, :] = rows[:, i, :]; rows that would lie past the cache's end are dropped. */
export const cacheWriteOp: Op<Record<string, never>> = {
  name: 'cacheWrite',
  mutates: [0],
  infer([cache, rows, position]) {
    const [c, r] = [cache!.shape, rows!.shape];
    const isFloat = cache!.dtype === 'f32' && rows!.dtype === 'f32';
    if (
      !isFloat ||
      c.length !== 3 ||
      r.length !== 3 ||
      c[0] !== r[0] ||
      c[2] !== r[2] ||
      r[1]! > c[1]!
    ) {
      throw new ShapeError(
        `cacheWrite: rows ${rows!.dtype} ${formatShape(r)} do not fit a cache ${cache!.dtype} ${formatShape(c)}; ` +
          'expected f32 [batch, rows, width] and [batch, length, width]',
      );
    }
    if (position!.dtype !== 'u32' || !sameShape(position!.shape, [1])) {
      throw new ShapeError(
        `cacheWrite: position is ${position!.dtype} ${formatShape(position!.shape)}, expected u32 [1]`,
      );
    }
    return [];
  },
  reference([cache, rows, position]) {
    const [batch, length, width] = cache!.shape as [number, number, number];
    const count = rows!.shape[1]!;
    const data = Float64Array.from(cache!.data);
    for (let b = 0; b < batch; b++) {
      for (let i = 0; i < count; i++) {
        const row = position!.data[0]! + i;
        for (let c = 0; c < width && row < length; c++) {
          data[(b * length + row) * width + c] = rows!.data[(b * count + i) * width + c]!;
        }
      }
    }
    return [{ ...cache!, data }];
  },
  kernels: {
    cpu: cpuKernel,
    webgpu(run, { inputs }) {
      const [cache, rows, position] = inputs as [Tensor, Tensor, Tensor];
      const [, length, width] = cache.shape as [number, number, number];
      run.dispatch(
        copyRows,
        [rows, position, cache],
        [rows.size, rows.shape[1]! * width, length * width, width],
        invocationGrid(rows.size),
      );
    },
  },
  sample(random) {
    const [batch, count, width] = [random.integer(1, 4), random.integer(1, 5), random.length(33)];
    const position = random.integer(0, 9);
    const length = position + count + random.integer(0, 4);
    return {
      inputs: [
        random.normals([batch, length, width]),
        random.normals([batch, count, width]),
        random.integers([1], position, position, 'u32'),
      ],
      params: {},
    };
  },
};

/**
 * Rewrites rows position … position + t − 1 of each sequence of a cache, in place.
 * @param cache [B, T, W]
 * @param rows [B, t, W]
 * @param position u32 [1]; on the device, so that a captured step can advance it
 * @throws ShapeError when rows and cache do not fit
 */
export function cacheWrite(cache: Tensor, rows: Tensor, position: Tensor): void {
  apply(cacheWriteOp, [cache, rows, position], {});
}
