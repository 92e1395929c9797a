/**
 * Child process of adapter.test.ts: squares 1000 numbers on the adapter that the first argument or
 * the environment names. A second argument replaces the temporary folder, after everything that
 * needs one to start has started.
 */
import { openWebGpuDevice } from '@farmer/tensor/node';

const COUNT = 1000;
const [, , choice, temporaryFolder] = process.argv;
if (temporaryFolder !== undefined) process.env['TMPDIR'] = temporaryFolder;
const opened = await openWebGpuDevice(choice === undefined ? {} : { choice });
const { device, kind, name, chosenBy, rejected, advice, subgroupMinSize, subgroupMaxSize } = opened;
const code = `
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&x)) { x[id.x] = x[id.x] * x[id.x]; }
}`;
const module = device.createShaderModule({ code });
const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module } });
const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
const buffer = device.createBuffer({ size: 4 * COUNT, usage: STORAGE | COPY_SRC | COPY_DST });
const staging = device.createBuffer({ size: 4 * COUNT, usage: MAP_READ | COPY_DST });
device.queue.writeBuffer(
  buffer,
  0,
  Float32Array.from({ length: COUNT }, (_, i) => i),
);
const encoder = device.createCommandEncoder();
const pass = encoder.beginComputePass();
pass.setPipeline(pipeline);
const layout = pipeline.getBindGroupLayout(0);
const entries = [{ binding: 0, resource: { buffer } }];
pass.setBindGroup(0, device.createBindGroup({ layout, entries }));
pass.dispatchWorkgroups(Math.ceil(COUNT / 64));
pass.end();
encoder.copyBufferToBuffer(buffer, 0, staging, 0, 4 * COUNT);
device.queue.submit([encoder.finish()]);
await staging.mapAsync(GPUMapMode.READ);
const squares = [...new Float32Array(staging.getMappedRange())];
const identity = { kind, name, chosenBy, rejected, advice, subgroupMinSize, subgroupMaxSize };
const { maxStorageBufferBindingSize } = device.limits;
console.log(JSON.stringify({ ...identity, maxStorageBufferBindingSize, squares }));
device.destroy();
