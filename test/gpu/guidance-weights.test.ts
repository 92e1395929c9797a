import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RandomStream, scope, tensor } from '@farmer/tensor';
import { candidateLogits, drawGuided, exactResampling, type ResamplingGuidance } from 'farmer';
import { describeOnDevices, testDevices } from '../support/devices.ts';

type Weighing = ResamplingGuidance['weighing'];
const weighings: readonly Weighing[] = ['algorithm', 'appendix', 'balance'];

/** log ω of a candidate with r = log p_c − log p_u, of a pool of which a share comes from p_c. */
function logWeight(
  weighing: Weighing,
  { r, w, isFromC, share }: { r: number; w: number; isFromC: boolean; share: number },
): number {
  if (weighing === 'appendix') return w * r;
  if (weighing === 'algorithm') return isFromC ? w * r : (w + 1) * r;
  return w * r - logSum(Math.log(share), Math.log(1 - share) - r);
}

/** log(exp a + exp b) */
function logSum(a: number, b: number): number {
  const most = Math.max(a, b);
  return most === -Infinity ? most : most + Math.log(Math.exp(a - most) + Math.exp(b - most));
}

describeOnDevices(
  "candidates' weights",
  () => {
    test('are those of the formulas, for any densities; impossible candidates last, equal ones equal', async () => {
      const log = fc.oneof(
        { weight: 1, arbitrary: fc.constant(-Infinity) },
        {
          weight: 4,
          arbitrary: fc.double({ min: -1e4, max: 1e3, noNaN: true }).map(Math.fround),
        },
      );
      const pool = fc.array(fc.tuple(log, log), { maxLength: 6 });
      const property = fc.asyncProperty(
        pool,
        pool,
        fc.double({ min: 0.25, max: 4, noNaN: true }).map(Math.fround),
        async (fromC, fromU, w) => {
          const logs = [...fromC, ...fromU];
          fc.pre(logs.length > 0);
          for (const weighing of weighings) {
            const drawn = scope(() =>
              candidateLogits(
                tensor(logs.map(([c]) => c)),
                tensor(logs.map(([, u]) => u)),
                fromC.length,
                { weight: w, sharpness: 1.5, weighing },
              ),
            );
            const logits = Array.from(await drawn.data());
            drawn.dispose();
            expect(logits.every(Number.isFinite)).toBe(true);
            logs.forEach(([c, u], i) => {
              if (c === -Infinity) expect(logits[i]).toBeLessThan(-1e29);
              else if (u === -Infinity) expect(logits[i]).toBeGreaterThan(1e29);
              else {
                const share = fromC.length / logs.length;
                const given = { r: c - u, w, isFromC: i < fromC.length, share };
                const expected = logWeight(weighing, given);
                const error = Math.abs(logits[i]! - 1.5 * expected);
                expect(error).toBeLessThan(1e-4 + 1e-5 * Math.abs(expected));
              }
            });
          }
        },
      );
      await fc.assert(property, { numRuns: 40, seed: 1 });
    });

    test.each(weighings)(
      'decide, with the size of each pool, how often a candidate of p_u is drawn: %s',
      async (weighing) => {
        // Without spread a candidate is its mixture's mean: 1 from p_c = N(1, 1), and 0 from p_u = N(0, 1).
        const r = (z: number) => z - 0.5;
        const unitNormal = (mean: number) => tensor([0, mean, 0], [1, 3]);
        const informative = { conditional: 2, unconditional: 3 };
        const redundant = { redundantConditional: 3, redundantUnconditional: 4 };
        const count = 20_000;
        for (const [isRedundant, fromC, fromU] of [
          [false, 2, 3],
          [true, 3, 4],
        ] as const) {
          const random = new RandomStream(5);
          const drawn = scope(() =>
            drawGuided(
              {
                ...{ conditional: unitNormal(1), unconditional: unitNormal(0), values: count },
                ...{ channels: 1, components: 1, redundant: isRedundant },
              },
              { ...exactResampling, ...informative, ...redundant, weighing },
              random,
              { logitScale: 1, scale: 0 },
            ),
          );
          const values = Array.from(await drawn.data());
          expect(values.every((z) => z === 0 || z === 1)).toBe(true);
          const share = fromC / (fromC + fromU);
          const mass = (size: number, z: number) =>
            size * Math.exp(logWeight(weighing, { r: r(z), w: 1, isFromC: z === 1, share }));
          const expected = mass(fromU, 0) / (mass(fromC, 1) + mass(fromU, 0));
          // The share's standard deviation is below 0.0035.
          const found = values.filter((z) => z === 0).length / count;
          expect(Math.abs(found - expected)).toBeLessThan(0.015);
          drawn.dispose();
          random.dispose();
        }
      },
    );
  },
  testDevices.filter((name) => name !== 'swiftshader'),
);
