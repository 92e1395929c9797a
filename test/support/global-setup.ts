import { NoAdapterError, openAdapter } from '@farmer/tensor/node';

/**
 * Lists the devices under test in FARMER_TEST_DEVICES, unless it is set: the CPU, SwiftShader, which npm carries,
 * and lavapipe where it is installed. Says what it found; with no WebGPU adapter at all it fails.
 */
export async function setup(): Promise<void> {
  if (process.env.FARMER_TEST_DEVICES) return;
  const devices = ['cpu', 'swiftshader'];
  try {
    await openAdapter({ choice: 'lavapipe' });
    devices.splice(1, 0, 'lavapipe');
  } catch (error) {
    if (!(error instanceof NoAdapterError)) throw error;
    console.log('lavapipe is not installed here; scripts/install-lavapipe.sh installs it');
  }
  await openAdapter({ choice: 'swiftshader' });
  process.env.FARMER_TEST_DEVICES = devices.join();
  console.log(`devices under test: ${devices.join(', ')}`);
}
