import { patientWait } from './patient-wait.ts';

/** A compute pipeline with its storage buffers bound in order, for the small probes beside it. */
export interface ProbeKernel {
  /** Records and submits `repeats` dispatches, and waits until the device has done them. */
  readonly run: (repeats: number) => Promise<void>;
}

export function storageBuffer(device: GPUDevice, bytes: number): GPUBuffer {
  const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
  return device.createBuffer({ size: bytes, usage: STORAGE | COPY_SRC | COPY_DST });
}

export function filledBuffer(device: GPUDevice, data: Float32Array<ArrayBuffer>): GPUBuffer {
  const buffer = storageBuffer(device, data.byteLength);
  device.queue.writeBuffer(buffer, 0, data);
  return buffer;
}

/**
 * Compiles `code` (entry point `main`, storage buffers at group 0 from binding 0 upwards).
 *
 * @throws Error with the shader compiler's message.
 */
export async function probeKernel(
  device: GPUDevice,
  code: string,
  buffers: readonly GPUBuffer[],
  workgroups: readonly [number, number],
): Promise<ProbeKernel> {
  const module = device.createShaderModule({ code });
  const compute = { module, entryPoint: 'main' };
  const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute });
  const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
  const bindGroup = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  const run = async (repeats: number) => {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    for (let i = 0; i < repeats; i++) pass.dispatchWorkgroups(...workgroups);
    pass.end();
    device.queue.submit([encoder.finish()]);
    await patientWait(device.queue.onSubmittedWorkDone());
  };
  return { run };
}

export async function readFloats(device: GPUDevice, source: GPUBuffer): Promise<Float32Array> {
  const { MAP_READ, COPY_DST } = GPUBufferUsage;
  const staging = device.createBuffer({ size: source.size, usage: MAP_READ | COPY_DST });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(source, 0, staging, 0, source.size);
  device.queue.submit([encoder.finish()]);
  await patientWait(staging.mapAsync(GPUMapMode.READ));
  const floats = new Float32Array(staging.getMappedRange().slice(0));
  staging.destroy();
  return floats;
}

/**
 * Seconds that one dispatch takes: the best of several batches, each long enough (some 60 ms) to
 * hide the cost of a submit. The first run, which may compile, is not counted.
 */
export async function secondsPerDispatch(kernel: ProbeKernel): Promise<number> {
  const time = async (repeats: number) => {
    const start = performance.now();
    await kernel.run(repeats);
    return (performance.now() - start) / 1000 / repeats;
  };
  await kernel.run(1);
  const once = await time(1);
  const repeats = Math.max(1, Math.min(200, Math.round(0.06 / once)));
  let best = once;
  for (let i = 0; i < 4; i++) best = Math.min(best, await time(repeats));
  return best;
}
