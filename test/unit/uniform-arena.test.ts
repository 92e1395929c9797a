import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { UniformArena } from '../../packages/tensor/src/webgpu/uniform-arena.ts';

beforeAll(() => vi.stubGlobal('GPUBufferUsage', {}));
afterAll(() => vi.unstubAllGlobals());

/** A device that keeps what is written to its buffers. */
function fakeGpu() {
  const contents = new Map<object, Uint8Array>();
  const gpu = {
    limits: { minUniformBufferOffsetAlignment: 256 },
    createBuffer({ size }: GPUBufferDescriptor) {
      const buffer = {};
      contents.set(buffer, new Uint8Array(size));
      return buffer;
    },
    queue: {
      writeBuffer(buffer: object, at: number, data: ArrayBuffer, from: number, length: number) {
        contents.get(buffer)!.set(new Uint8Array(data, from, length), at);
      },
    },
  } as unknown as GPUDevice;
  return { gpu, contents };
}

const place = (arena: UniformArena, value: number) =>
  arena.place(String(value), (view) => view.setUint32(0, value, true), 16);

test('equal blocks share a place, and each is uploaded whole, whichever page it is in', () => {
  const { gpu, contents } = fakeGpu();
  const arena = new UniformArena(gpu);
  const places = Array.from({ length: 1500 }, (_, value) => {
    if (value % 400 === 0) arena.upload();
    return place(arena, value);
  });
  arena.upload();
  expect(arena.pageCount).toBe(2);
  places.forEach(({ page, offset }, value) => {
    const words = new Uint32Array(contents.get(page.buffer)!.buffer, offset, 1);
    expect(words[0]).toBe(value);
    expect(place(arena, value)).toEqual({ page, offset });
  });
  expect(arena.blockCount).toBe(1500);
});

test('blocks that never repeat are forgotten, and one that comes again is written again', () => {
  const { gpu } = fakeGpu();
  const arena = new UniformArena(gpu);
  const first = place(arena, 0);
  for (let value = 1; value <= 65536; value++) place(arena, value);
  const again = place(arena, 0);
  expect(again).not.toEqual(first);
  expect(place(arena, 0)).toEqual(again);
  expect(place(arena, 65536).page).toBe(again.page);
});
