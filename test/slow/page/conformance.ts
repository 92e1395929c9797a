/** Runs in a page: all ops on its WebGPU device against their references; what deviates is left for the test as `answer`. */
import { openPageDevice, registry } from '@farmer/tensor';
import { checkForward, checkVjp } from '@farmer/tensor/conformance';

const CASES = 3;

async function report() {
  const device = await openPageDevice({ device: 'webgpu' });
  const wrong: string[] = [];
  for (const op of registry) {
    for (let seed = 1; seed <= CASES; seed++) {
      try {
        await checkForward(op, device, seed);
        await checkVjp(op, device, seed);
      } catch (error) {
        wrong.push(String(error));
      }
    }
  }
  return { device: device.kind, ops: registry.length, wrong };
}

const answer = await report().catch((error: unknown) => ({ error: String(error) }));
Object.assign(globalThis, { answer });
