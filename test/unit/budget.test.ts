import { describe, expect, it } from 'vitest';
import {
  attention,
  empty,
  map,
  matmul,
  scope,
  ShapeDevice,
  sum,
  withDefaultDevice,
  withMemoryTag,
  type Tensor,
} from '@farmer/tensor';
import { valueAndGrad } from '@farmer/autograd';
import {
  likelihoodCost,
  parameterCounts,
  preset,
  presets,
  samplingCost,
  trainingCost,
} from 'farmer';
import { formatReport, reportModel, scaled } from '../../packages/farmer/cli/model-report.ts';
import { compareWithTable1 } from '../../packages/farmer/cli/table-1.ts';

/** Runs `body` on a new device of shapes. */
function onShapes<T>(body: (device: ShapeDevice) => T): T {
  const device = new ShapeDevice();
  return withDefaultDevice(device, () => body(device));
}

describe('the device of shapes', () => {
  const flopsOf = (body: () => unknown) =>
    onShapes((device) => {
      body();
      return device.flops;
    });

  it('counts two operations a multiply-add of a product, and its gradients', () => {
    const [a, b] = [[3, 5, 7] as const, [7, 11] as const];
    expect(flopsOf(() => matmul(empty(a), empty(b)))).toBe(2 * 3 * 5 * 7 * 11);
    const gradient = (wrt: (x: Tensor, y: Tensor) => Tensor[]) =>
      flopsOf(() => {
        const [x, y] = [empty(a), empty(b)];
        valueAndGrad(() => sum(matmul(x, y)), wrt(x, y));
      });
    expect(gradient((x, y) => [x, y])).toBe(3 * 2 * 3 * 5 * 7 * 11);
    expect(gradient((x) => [x])).toBe(2 * 2 * 3 * 5 * 7 * 11);
  });

  it('counts the pairs that attention attends', () => {
    const run = (queries: number, keys: number, causal: boolean) =>
      flopsOf(() =>
        attention(empty([2, queries, 8]), empty([2, keys, 8]), empty([2, keys, 8]), {
          heads: 2,
          causal,
        }),
      );
    const pairFlops = 2 * 2 * 2 * 8; // two products, a multiply-add, batch, width
    expect(run(3, 5, false)).toBe(pairFlops * 15);
    expect(run(3, 5, true)).toBe(pairFlops * (1 + 2 + 3));
    expect(run(5, 3, true)).toBe(pairFlops * (1 + 2 + 3 + 3 + 3));
  });

  it('counts the memory of live tensors, and a graph at each replay', () => {
    onShapes((device) => {
      const x = empty([10, 10]);
      const graph = device.capture(() => {
        scope(() => {
          const y = matmul(x, x);
          map('x + y', { x, y });
        });
      });
      expect(device.memory()).toMatchObject({ live: 400, peak: 1200, liveBlocks: 1 });
      expect([device.calls, device.flops]).toEqual([2, 2000]);
      graph.replay();
      expect([device.calls, device.flops, device.largestBlock]).toEqual([4, 4000, 400]);
    });
  });

  it('counts what is needed up to the last use, however long it is held', () => {
    onShapes((device) => {
      const x = empty([100]);
      scope(() => {
        const y = map('x + 1', { x });
        withMemoryTag('late', () => map('y + 1', { y: map('y * 2', { y }) }));
      });
      expect(device.memory()).toMatchObject({ live: 400, peak: 1600 });
      expect(device.need()).toEqual({ bytes: 1200, byTag: { other: 800, late: 400 } });
      x.dispose();
    });
  });

  it('has no values to read', async () => {
    await expect(onShapes(() => empty([2])).data()).rejects.toThrow('has no values');
  });
});

describe('parameter counts', () => {
  it("reproduce the counts of table 1 that ours can: the flow's at patch 8, the AR model's at patch 16", () => {
    const flow = parameterCounts(preset('farmer-1.1b-patch8').model).flow;
    const norms = 28 * 2 * 768;
    expect(flow - norms).toBe(828_280_320);
    const { parts, ar } = parameterCounts(preset('farmer-1.1b').model);
    expect(Math.round(ar / 1e6)).toBe(296);
    const layersAndHeads =
      parts['AR layers'] + parts['AR informative head'] + parts['AR shared head'];
    // Its input projection, 128 → 768 with biases, and the last norm are not layers.
    expect((layersAndHeads - 129 * 768 - 2 * 768) / 1e6).toBeCloseTo(294.72, 2);
    expect(parameterCounts(preset('farmer-1.9b-patch8').model).flow / 1e9).toBeCloseTo(1.4, 2);
    expect(parameterCounts(preset('farmer-1.9b').model).ar / 1e6).toBeCloseTo(583.26, 2);
  });

  it('of the parts add up, for every preset', () => {
    for (const { model } of Object.values(presets)) {
      const { parts, flow, ar, total } = parameterCounts(model);
      expect(flow + ar).toBe(total);
      expect(Object.values(parts).reduce((a, b) => a + b)).toBe(total);
    }
  });
});

describe('costs', () => {
  const { model, training } = preset('tiny');

  it('grow with the batch as they should', () => {
    const [one, eight] = [1, 8].map((batch) => trainingCost({ model, training }, batch));
    expect(eight!.flops).toBe(8 * one!.flops);
    expect(eight!.optimiserBytes).toBe(one!.optimiserBytes);
    const total = Object.values(eight!.byTag).reduce((sum, bytes) => sum + bytes);
    expect(total).toBe(eight!.peakBytes);
    expect(eight!.peakBytes).toBeGreaterThan(one!.peakBytes);
    expect(samplingCost(model, 8).flops).toBe(8 * samplingCost(model, 1).flops);
    expect(likelihoodCost(model, 8).peakBytes).toBeLessThan(eight!.peakBytes);
  });

  it('have a training step of three forward passes', () => {
    // Less what the first layers' inputs, images, need no gradient for; more what attention computes again.
    const ratio = trainingCost({ model, training }, 1).flops / likelihoodCost(model, 1).flops;
    expect(ratio).toBeGreaterThan(2.9);
    expect(ratio).toBeLessThan(3.2);
  });

  it('of 1.1B parameters are counted without allocating them', () => {
    const before = process.memoryUsage().rss;
    const cost = trainingCost(preset('farmer-1.1b'), 1);
    expect(cost.weightBytes).toBeGreaterThan(4 * 1.1e9);
    // Weights, their gradients and two moments.
    expect(cost.peakBytes).toBeGreaterThan(16 * 1.1e9);
    expect(process.memoryUsage().rss - before).toBeLessThan(1e9);
  });
});

describe('farmer info', () => {
  it('shows the counts', () => {
    const config = preset('tiny');
    const lines = formatReport(config, reportModel(config, 32)).join('\n');
    expect(lines).toContain('parameters  230,472');
    expect(lines).toContain('flow        autoregressive, 3 blocks of 1 layer, width 48');
    expect(compareWithTable1('tiny')).toEqual([]);
    expect(compareWithTable1('farmer-1.9b-patch8').join('\n')).toMatch(/498M +583\.26M +347\.89M/);
  });

  it.each([
    [0, '0 '],
    [999, '999 '],
    [999.6, '1 k'],
    [506_024_865_792, '506 G'],
    [1.5e12, '1.5 T'],
  ])('writes %f as "%s"', (value, text) => {
    expect(scaled(value)).toBe(text);
  });
});
