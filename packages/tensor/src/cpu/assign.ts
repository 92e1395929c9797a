import type { CpuKernel } from './kernel.ts';
import {
  itemsOf,
  multiTensorTasks,
  runMultiTensor,
  type MultiTensorKernel,
} from './multi-tensor.ts';

const onto = (kernel: MultiTensorKernel): CpuKernel<undefined> => {
  return (run, { inputs: [target, value] }) =>
    runMultiTensor(run, kernel, { pointers: [] }, multiTensorTasks(itemsOf([target!], [value!])));
};

/** target ← value, as bits of any dtype. */
export const assignKernel = onto({
  name: 'assign',
  shared: [],
  blocks: ['target', 'value'],
  body: ({ each }) => each((at) => at.store('target', at.load('value'))),
});

/** target ← target + value */
export const addAssignKernel = onto({
  name: 'add-assign',
  shared: [],
  blocks: ['target', 'value'],
  body: ({ each }) => each((at) => at.store('target', at.load('target').add(at.load('value')))),
});
