import { defineConfig } from 'vitest/config';

// Tests that compute run on the devices that this finds.
const globalSetup = 'test/support/global-setup.ts';

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 60_000 } },
      {
        test: {
          name: 'gpu',
          globalSetup,
          include: ['test/gpu/**/*.test.ts'],
          // While one file compiles or checks, the other computes.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          testTimeout: 300_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'e2e',
          globalSetup,
          include: ['test/e2e/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'slow',
          globalSetup,
          include: ['test/slow/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 1_800_000,
          hookTimeout: 300_000,
        },
      },
      // Needs a package of its own: npm run test:wgpu installs it.
      {
        test: { name: 'wgpu', include: ['test/wgpu/**/*.test.ts'], testTimeout: 1_800_000 },
      },
    ],
  },
});
