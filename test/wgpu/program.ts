/** Runs in Deno: checks every op on its WebGPU device, and prints what deviates as JSON. */
import { setDefaultDevice, WebGpuDevice } from '@farmer/tensor';
import { checkOps } from '@farmer/tensor/conformance';
import { capabilitiesOf, requestGpu } from '../../packages/tensor/src/webgpu/open.ts';

const [kind = '', cases = ''] = (globalThis as unknown as { Deno: { args: string[] } }).Deno.args;

const adapter = await navigator.gpu.requestAdapter();
if (!adapter) throw new Error('Deno found no WebGPU adapter');
const gpu = await requestGpu(adapter, adapter.info.description);
const capabilities = capabilitiesOf(adapter, gpu, kind as 'software' | 'hardware');
const device = new WebGpuDevice(gpu, { name: adapter.info.description, capabilities });
setDefaultDevice(device);

const ops: string[] = [];
const wrong: string[] = [];
for await (const found of checkOps(device, { cases: Number(cases) })) {
  ops.push(found.op);
  if (found.wrong !== undefined) wrong.push(found.wrong);
}
console.log(JSON.stringify({ adapter: device.name, ops, wrong }));
