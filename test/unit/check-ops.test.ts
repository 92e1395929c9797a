import { expect, test } from 'vitest';
import { registry } from '@farmer/tensor';
import { openDevice } from '@farmer/tensor/node';
import { checkOps } from '../../packages/farmer/cli/check-ops.ts';

test('a device that computes an op wrongly, or its gradient, is found', async () => {
  const device = await openDevice({ device: 'cpu' });
  const seen: string[] = [];
  const output = { line() {}, result() {}, status: (text: string) => void seen.push(text) };
  const named = (name: string) => registry.find((op) => op.name === name)!;
  const [softmax, flip, sum] = ['softmax', 'flip', 'sum'].map(named);
  // The reference stands for what the device should have computed.
  const elsewhere: typeof softmax = {
    ...flip!,
    vjp: undefined,
    reference: (inputs, params) =>
      flip!.reference(inputs, params).map((y) => ({ ...y, data: y.data.map((v) => v + 1) })),
  };
  const steeper: typeof softmax = { ...sum!, vjp: ({ inputs }) => inputs.map((x) => x) };
  const wrong = await checkOps(device, output, [softmax!, elsewhere, steeper]);
  device.destroy();
  expect(wrong).toHaveLength(2);
  expect(wrong[0]).toMatch(/^flip on .*element 0 is/);
  expect(wrong[1]).toMatch(/^sum on .*gradient 0.*finite differences/);
  expect(seen.at(-1)).toBe('checking sum: 3 of 3 ops');
});
