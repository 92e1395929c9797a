import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeSafetensors,
  encodeSafetensors,
  SafetensorsError,
} from '../../packages/nn/src/safetensors.ts';

/** A file made of a literal header and data, with no code of the encoder. */
function handMade(header: string, data: Uint8Array | number[], headerLength?: bigint): Uint8Array {
  const json = new TextEncoder().encode(header);
  const file = new Uint8Array(8 + json.length + data.length);
  new DataView(file.buffer).setBigUint64(0, headerLength ?? BigInt(json.length), true);
  file.set(json, 8);
  file.set(data, 8 + json.length);
  return file;
}

const entry = (shape: string, offsets: string, dtype = 'F32') =>
  `{"dtype":"${dtype}","shape":${shape},"data_offsets":${offsets}}`;

const tensorsArbitrary = fc.dictionary(
  fc.string({ unit: 'binary' }).filter((name) => name !== '__metadata__'),
  fc
    .array(fc.nat(4), { maxLength: 3 })
    .chain((shape) => {
      const size = shape.reduce((a, b) => a * b, 1);
      return fc.record({
        shape: fc.constant(shape),
        data: fc.float32Array({ minLength: size, maxLength: size }),
      });
    })
    .map((tensor) => ({ dtype: 'F32' as const, ...tensor })),
  { maxKeys: 5 },
);

describe('the bytes', () => {
  it('are exactly the reference format', () => {
    const file = encodeSafetensors(
      { w: { dtype: 'F32', shape: [1, 2], data: new Float32Array([1, -2]) } },
      { step: '7' },
    );
    const header =
      '{"__metadata__":{"step":"7"},"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}';
    const padded = header.padEnd(Math.ceil(header.length / 8) * 8, ' ');
    // 1 = 0x3f800000 and -2 = 0xc0000000, little-endian.
    expect([...file]).toEqual([...handMade(padded, [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0])]);
  });

  it('of a foreign file decode: F32, F16, BF16, any header order and no padding', () => {
    const header = `{"b":${entry('[2]', '[14,18]', 'BF16')},"h":${entry('[7]', '[0,14]', 'F16')},"f":${entry('[]', '[18,22]')}}`;
    const halves = [0x3c00, 0xc000, 0x0001, 0x03ff, 0x7c00, 0xfc00, 0x7bff]; // at an odd file offset
    const data = new Uint8Array(22);
    const view = new DataView(data.buffer);
    halves.forEach((half, i) => view.setUint16(2 * i, half, true));
    view.setUint16(14, 0x3fc0, true);
    view.setUint16(16, 0xff80, true);
    view.setFloat32(18, 0.1, true);
    const { tensors } = decodeSafetensors(handMade(header, data), 'x');
    expect([...tensors.get('h')!.data]).toEqual([
      1,
      -2,
      2 ** -24,
      1023 * 2 ** -24,
      Infinity,
      -Infinity,
      65504,
    ]);
    expect([...tensors.get('b')!.data]).toEqual([1.5, -Infinity]);
    expect(tensors.get('f')).toEqual({ shape: [], data: new Float32Array([0.1]) });
  });

  it('of U8 come after all floats, which stay aligned, and come back exactly', () => {
    const bytes = Uint8Array.of(0, 1, 127, 128, 255);
    const file = encodeSafetensors({
      a: { dtype: 'U8', shape: [5], data: bytes },
      b: { dtype: 'F32', shape: [1], data: Float32Array.of(0.5) },
    });
    const [header] = new TextDecoder('latin1').decode(file.subarray(8)).split('}}');
    expect(header).toContain('"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}');
    expect(header).toContain('"a":{"dtype":"U8","shape":[5],"data_offsets":[4,9]');
    const { tensors } = decodeSafetensors(file, 'x');
    expect(tensors.get('a')).toEqual({ shape: [5], data: Float32Array.from(bytes) });
    expect(tensors.get('b')!.data).toEqual(Float32Array.of(0.5));
  });

  it('of every F16 value decode to sign · 2^exponent · mantissa', () => {
    const bits = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const header = `{"h":${entry('[65536]', '[0,131072]', 'F16')}}`;
    const file = handMade(header, new Uint8Array(bits.buffer));
    const { data } = decodeSafetensors(file, 'x').tensors.get('h')!;
    const expected = Array.from(bits, (half) => {
      const sign = half & 0x8000 ? -1 : 1;
      const exponent = (half >> 10) & 31;
      const mantissa = half & 1023;
      if (exponent === 31) return mantissa ? NaN : sign * Infinity;
      if (exponent === 0) return sign * mantissa * 2 ** -24;
      return sign * (1024 + mantissa) * 2 ** (exponent - 25);
    });
    expect(Array.from(data)).toEqual(expected);
  });

  it('round trip to the bit, names, shapes and metadata included', () => {
    fc.assert(
      fc.property(
        tensorsArbitrary,
        fc.dictionary(fc.string(), fc.string()),
        fc.nat(9),
        (tensors, metadata, shift) => {
          const file = encodeSafetensors(tensors, metadata);
          expect(new DataView(file.buffer).getUint32(0, true) % 8).toBe(0);
          const shifted = new Uint8Array(file.length + shift);
          shifted.set(file, shift);
          const decoded = decodeSafetensors(shifted.subarray(shift), 'x');
          expect(Object.entries(decoded.metadata)).toEqual(Object.entries(metadata));
          expect([...decoded.tensors.keys()].sort()).toEqual(Object.keys(tensors).sort());
          for (const [name, { shape, data }] of Object.entries(tensors)) {
            expect(decoded.tensors.get(name)!.shape).toEqual(shape);
            expect(decoded.tensors.get(name)!.data).toEqual(data);
          }
        },
      ),
    );
  });
});

describe('a file that lies', () => {
  const data = new Uint8Array(8);
  const lies: [string, Uint8Array, RegExp][] = [
    ['empty', new Uint8Array(0), /has 0 bytes/],
    ['shorter than its header', handMade('{}', [], 900n), /claims 900 bytes.*truncated/],
    ['an absurd header', handMade('{}', [], 2n ** 63n), /claims 9223372036854775808 bytes/],
    ['not JSON', handMade('{"a":', []), /not JSON/],
    ['not UTF-8', handMade('{}', [0xff], 3n), /not JSON/],
    ['an array', handMade('[]', []), /not a JSON object/],
    ['a duplicate tensor', handMade('{"a":1,"\\u0061" :2}', []), /key "a" twice/],
    ['a duplicate field', handMade('{"a":{"shape":[],"shape":[]}}', []), /key "shape" twice/],
    ['an entry that is no object', handMade('{"a":3}', []), /tensor "a": expected an object/],
    ['an unknown dtype', handMade(`{"a":${entry('[1]', '[0,8]', 'I64')}}`, data), /dtype "I64"/],
    ['an inherited dtype', handMade(`{"a":${entry('[1]', '[0,8]', 'valueOf')}}`, data), /dtype/],
    ['a negative size', handMade(`{"a":${entry('[-2]', '[0,8]')}}`, data), /shape \[-2\]/],
    ['a fractional size', handMade(`{"a":${entry('[0.5]', '[0,8]')}}`, data), /shape \[0.5\]/],
    ['a missing shape', handMade('{"a":{"dtype":"F32"}}', data), /"a": shape/],
    ['a negative offset', handMade(`{"a":${entry('[2]', '[-8,0]')}}`, data), /data_offsets/],
    ['three offsets', handMade(`{"a":${entry('[2]', '[0,8,8]')}}`, data), /data_offsets/],
    ['a wrong span', handMade(`{"a":${entry('[3]', '[0,8]')}}`, data), /span 8 .* takes 12/],
    [
      'an overflowing shape',
      handMade(`{"a":${entry('[9e15,9e15,9e15]', '[0,8]')}}`, data),
      /span 8/,
    ],
    ['beyond the end', handMade(`{"a":${entry('[3]', '[0,12]')}}`, data), /ends at byte 12/],
    [
      'overlapping',
      handMade(`{"a":${entry('[1]', '[0,4]')},"b":${entry('[2]', '[0,8]')}}`, data),
      /tensor "b".*overlaps/,
    ],
    ['a gap', handMade(`{"a":${entry('[1]', '[4,8]')}}`, data), /tensor "a".*gap/],
    ['bytes of no tensor', handMade(`{"a":${entry('[1]', '[0,4]')}}`, data), /belong to no tensor/],
    ['metadata of numbers', handMade('{"__metadata__":{"k":1}}', []), /value of "k"/],
  ];
  it.each(lies)('%s', (_name, file, message) => {
    expect(() => decodeSafetensors(file, 'model.safetensors')).toThrow(SafetensorsError);
    expect(() => decodeSafetensors(file, 'model.safetensors')).toThrow(message);
    expect(() => decodeSafetensors(file, 'model.safetensors')).toThrow(/^model\.safetensors: /);
  });

  it('never does worse than a SafetensorsError, and never claims more memory than it has', () => {
    const valid = encodeSafetensors(
      {
        weight: { dtype: 'F32', shape: [3, 2], data: new Float32Array(6).fill(0.5) },
        bias: { dtype: 'F32', shape: [2], data: new Float32Array(2) },
      },
      { config: '{"width": 48}' },
    );
    const edits = fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 6 });
    fc.assert(
      fc.property(edits, fc.nat(valid.length), fc.boolean(), (changes, end, cut) => {
        const file = valid.slice(0, cut ? end : valid.length);
        for (const [at, value] of changes) if (at < file.length) file[at] = value;
        try {
          const { tensors } = decodeSafetensors(file, 'x');
          const bytes = [...tensors.values()].reduce((sum, t) => sum + t.data.byteLength, 0);
          expect(bytes).toBeLessThanOrEqual(4 * file.length);
        } catch (error) {
          expect(error).toBeInstanceOf(SafetensorsError);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('made of any header text at all gives a SafetensorsError or tensors', () => {
    const texts = fc.oneof(fc.json(), fc.string(), fc.constant('{"a":'.repeat(100_000)));
    fc.assert(
      fc.property(texts, fc.uint8Array({ maxLength: 16 }), (text, data) => {
        try {
          decodeSafetensors(handMade(text, data), 'x');
        } catch (error) {
          expect(error).toBeInstanceOf(SafetensorsError);
        }
      }),
    );
  });
});

describe('encoding refuses', () => {
  it('a shape that its data does not fill', () => {
    const tensor = { dtype: 'F32' as const, shape: [2, 3], data: new Float32Array(5) };
    expect(() => encodeSafetensors({ w: tensor })).toThrow(/tensor "w": shape \[2, 3\] takes 6/);
  });

  it.each(['__metadata__', '\ud800'])('the name %j', (name) => {
    const tensor = { dtype: 'F32' as const, shape: [], data: new Float32Array(1) };
    expect(() => encodeSafetensors({ [name]: tensor })).toThrow(SafetensorsError);
  });
});
