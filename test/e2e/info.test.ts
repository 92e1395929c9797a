import { expect, test } from 'vitest';
import { runCli, runCliWell } from '../support/cli.ts';

test('farmer info counts a model of 1.1B parameters in seconds, with changes', async () => {
  const args = ['info', '--preset', 'farmer-1.1b-patch8', '--batch', '1', '--json'];
  const change = ['--set', 'model.redundantPrior=independent-gaussian'];
  const { stdout, stderr } = await runCliWell(...args, ...change);
  const result = JSON.parse(stdout) as {
    parameters: { flow: number; parts: Record<string, number> };
    training: { flops: number };
  };
  expect(result.parameters.flow).toBe(828_323_328);
  expect(result.parameters.parts['AR shared head']).toBe(0);
  expect(result.training.flops).toBeGreaterThan(6e12);
  expect(stderr).toContain('ours, patch 8');
});

test('farmer info refuses what it does not know', async () => {
  const wrongPreset = await runCli('info', '--preset', 'farmer-1.1');
  expect(wrongPreset.code).toBe(1);
  expect(wrongPreset.stderr).toContain('did you mean "farmer-1.1b"?');
  const wrongKey = await runCli('info', '--set', 'model.flow.kin=jet');
  expect(wrongKey.code).toBe(1);
  expect(wrongKey.stderr).toContain('did you mean "model.flow.kind"?');
});
