import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { patientWait } from '../../packages/tensor/node/patient-wait.ts';

/** Turns of the event loop while a promise is pending, when somebody polls in each as Dawn does. */
async function turnsDuring(promise: Promise<unknown>): Promise<number> {
  let [turns, done] = [0, false];
  const poll = () => {
    turns++;
    if (!done) setImmediate(poll);
  };
  setImmediate(poll);
  await promise.finally(() => (done = true));
  return turns;
}

test('patientWait gives what the promise gives', async () => {
  expect(await patientWait(sleep(5, 'value'))).toBe('value');
  await expect(patientWait(Promise.reject(new Error('no')))).rejects.toThrow('no');
});

test('patientWait lets the event loop turn seldom, plain waiting without a pause', async () => {
  const patient = await turnsDuring(patientWait(sleep(200)));
  const plain = await turnsDuring(sleep(200));
  expect(patient).toBeLessThan(plain / 4);
});

test('waits one after another pause no more often than one', async () => {
  const first = await turnsDuring(patientWait(sleep(100)));
  for (let i = 0; i < 200; i++) await patientWait(Promise.resolve());
  const last = await turnsDuring(patientWait(sleep(100)));
  expect(last).toBeGreaterThan(first / 4);
});

test('waits may overlap, and the loop is free after the last', async () => {
  const first = patientWait(sleep(20));
  await patientWait(sleep(60));
  await first;
  const after = await turnsDuring(sleep(100));
  const plain = await turnsDuring(sleep(100));
  expect(after).toBeGreaterThan(plain / 10);
});
