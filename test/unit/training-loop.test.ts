import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Device } from '@farmer/tensor';
import { runTraining } from '../../packages/farmer/cli/training-loop.ts';

/** A trainer whose metrics take a while to arrive, and a log of what happened in which order. */
function slowTraining(skippedShare = 0) {
  const log: string[] = [];
  let step = 0;
  let read = 0;
  const trainer = {
    get step() {
      return step;
    },
    precompile: () => Promise.resolve(),
    advance: () => void log.push(`advance ${++step}`),
    async readMetrics() {
      const skipped = skippedShare * (step - read);
      const metrics = { step, loss: 1, gradientNorm: 1, learningRate: 1, skipped };
      read = step;
      await delay(2);
      return metrics;
    },
  };
  const device = { synchronize: () => Promise.resolve() } as unknown as Device;
  const onMetrics = (metrics: { step: number }) => void log.push(`metrics ${metrics.step}`);
  return { trainer, device, log, onMetrics };
}

describe('runTraining', () => {
  it('starts the next step before the metrics of the last one are there', async () => {
    const { log, ...training } = slowTraining();
    await runTraining({ ...training, until: 4, logSteps: 1 });
    expect(log.indexOf('advance 2')).toBeLessThan(log.indexOf('metrics 1'));
    expect(log.filter((entry) => entry.startsWith('metrics'))).toEqual(
      [1, 2, 3, 4].map((step) => `metrics ${step}`),
    );
  });

  it('lets a save wait for all metrics before it', async () => {
    const { log, ...training } = slowTraining();
    await runTraining({
      ...{ ...training, until: 5, logSteps: 2 },
      afterStep: async (step, settled) => {
        if (step !== 2) return;
        await settled();
        log.push('saved');
      },
    });
    expect(log.slice(log.indexOf('advance 2'), log.indexOf('advance 3'))).toEqual([
      ...['advance 2', 'metrics 2', 'saved'],
    ]);
    expect(log.at(-1)).toBe('metrics 5');
  });

  it('hears a signal between two steps, although its device never waits', async () => {
    const { log, ...training } = slowTraining();
    let isAsked = false;
    setImmediate(() => (isAsked = true));
    const shouldStop = () => isAsked;
    await runTraining({ ...training, until: 100, logSteps: 100, shouldStop });
    expect(training.trainer.step).toBeLessThan(10);
    expect(log.at(-1)).toBe(`metrics ${training.trainer.step}`);
  });

  it('stops a training whose loss stays non-finite, and says what may help', async () => {
    const { log, ...training } = slowTraining(1);
    await expect(runTraining({ ...training, until: 500, logSteps: 10 })).rejects.toThrow(
      'no finite loss or gradient in the last 50 steps before step 50: lower the learning rate, or lengthen its warm-up',
    );
    expect(log.filter((entry) => entry.startsWith('advance')).length).toBeLessThan(55);
  });
});
