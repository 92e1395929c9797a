import { expect, test } from 'vitest';
import { registry } from '@farmer/tensor';
import { checkOps, type OpCheck } from '@farmer/tensor/conformance';
import { openDevice } from '@farmer/tensor/node';

test('a device that computes an op wrongly, or its gradient, is found', async () => {
  const device = await openDevice({ device: 'cpu' });
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
  const found: OpCheck[] = [];
  for await (const check of checkOps(device, { ops: [softmax!, elsewhere, steeper] })) {
    found.push(check);
  }
  device.destroy();
  expect(found.map(({ op }) => op)).toEqual(['softmax', 'flip', 'sum']);
  expect(found[0]!.wrong).toBeUndefined();
  expect(found[1]!.wrong).toMatch(/^flip on .*element 0 is/);
  expect(found[2]!.wrong).toMatch(/^sum on .*gradient 0.*finite differences/);
});
