import { beforeAll, describe, expect, test } from 'vitest';
import {
  accumulateGradients,
  checkpoint,
  customVjp,
  grad,
  gradCheck,
  noGrad,
  Tape,
  TapeError,
  valueAndGrad,
} from '@farmer/autograd';
import {
  argmax,
  layerNorm,
  map,
  matmul,
  mean,
  reshape,
  scope,
  sum,
  tensor,
  zeros,
  type Tensor,
} from '@farmer/tensor';
import { uniformSource } from '@farmer/tensor/conformance';
import { describeOnDevices } from '../support/devices.ts';

describeOnDevices('autograd', (device) => {
  let x: Tensor;
  let w: Tensor;
  beforeAll(() => {
    x = tensor([0.5, -1, 2, 0.25, 3, -0.75], [2, 3]);
    w = tensor([0.3, -0.2, 0.7], [3]);
  });

  const values = async (t: Tensor) => {
    const data = Array.from(await t.data());
    t.dispose();
    return data;
  };
  const close = (actual: number[], expected: number[], digits = 5) => {
    expect(actual).toHaveLength(expected.length);
    actual.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, digits));
  };

  test('a broadcast product: ∂Σ(x·w)²/∂w = Σ_rows 2x²w', async () => {
    const { value, gradients } = valueAndGrad(() => sum(map('square(x * w)', { x, w })), [w, x]);
    const [xs, ws] = [
      [0.5, -1, 2, 0.25, 3, -0.75],
      [0.3, -0.2, 0.7],
    ];
    const at = (f: (xv: number, wv: number) => number) => xs.map((xv, i) => f(xv, ws[i % 3]!));
    const perElement = at((xv, wv) => 2 * xv * xv * wv);
    close(
      await values(gradients[0]!),
      [0, 1, 2].map((i) => perElement[i]! + perElement[i + 3]!),
    );
    close(
      await values(gradients[1]!),
      at((xv, wv) => 2 * xv * wv * wv),
    );
    close([await value.item()], [at((xv, wv) => (xv * wv) ** 2).reduce((a, b) => a + b)]);
    value.dispose();
  });

  test('a value used several times adds its gradients, a chain multiplies them', async () => {
    const gradient = grad((v) => sum(map('a * b + a', { a: map('v * v', { v }), b: v })))(w);
    // d(v³ + v²) = 3v² + 2v
    close(
      await values(gradient),
      [0.3, -0.2, 0.7].map((v) => 3 * v * v + 2 * v),
    );
  });

  test('products and norms of one value: its gradient is the sum of theirs, added by their own kernels', async () => {
    const [a, b] = [tensor([1, 2, 3, 4, 5, 6], [3, 2]), tensor([2, -1, 0.5], [3, 1])];
    const [scale, shift] = [tensor([1, 2, 3], [3]), zeros([3])];
    const terms = [
      () => sum(map('y * y', { y: matmul(x, a) })),
      () => sum(map('y * y', { y: matmul(x, b) })),
      () => sum(map('y * y', { y: layerNorm(x, scale, shift) })),
      // Both factors are x.
      () => sum(map('y * y', { y: matmul(x, x, { transposeB: true }) })),
    ];
    const gradientOf = (body: () => Tensor) => valueAndGrad(body, [x]).gradients[0]!;
    const add = (terms: (() => Tensor)[]) =>
      scope(() => terms.map((term) => term()).reduce((a, b) => map('a + b', { a, b })));
    const apart = await Promise.all(terms.map((term) => values(gradientOf(term))));
    const sums = apart[0]!.map((_, i) => apart.reduce((total, own) => total + own[i]!, 0));
    close(await values(gradientOf(() => add(terms))), sums, 3);

    // As many commands as for the gradients of two values.
    const other = map('x + 1', { x });
    const commands = (second: Tensor) => {
      const loss = () => add([x, second].map((v) => () => sum(matmul(v, a))));
      const graph = device().capture(() => scope(() => void valueAndGrad(loss, [x, second])));
      const { commandCount } = graph;
      graph.dispose();
      return commandCount;
    };
    expect(commands(x)).toBe(commands(other));
  });

  test('gradients of intermediate values', async () => {
    const tape = new Tape([w]);
    const [square, loss] = tape.run(() => {
      const square = map('w * w', { w });
      return [square, sum(map('exp(s)', { s: reshape(square, [3, 1]) }))] as const;
    });
    const [bySquare, byLoss] = tape.backward(loss, [square, loss]);
    close(await values(bySquare!), [0.09, 0.04, 0.49].map(Math.exp));
    expect(await values(byLoss!)).toEqual([1]);
    [square, loss].forEach((t) => t.dispose());
  });

  test('a tensor that the loss does not depend on has gradient zero', async () => {
    const { value, gradients } = valueAndGrad(() => mean(map('w * 2', { w })), [x, w]);
    expect(await values(gradients[0]!)).toEqual([0, 0, 0, 0, 0, 0]);
    value.dispose();
    gradients[1]!.dispose();
  });

  test('micro-batches accumulate to the gradient of the whole batch', async () => {
    const lossOf = (rows: Tensor) => () => sum(map('tanh(rows * w)', { rows, w }));
    const whole = valueAndGrad(lossOf(x), [w]).gradients[0]!;
    const parts = [tensor([0.5, -1, 2], [1, 3]), tensor([0.25, 3, -0.75], [1, 3])];
    const accumulate = () => {
      let total: Tensor[] | undefined;
      for (const part of parts) {
        const { value, gradients } = valueAndGrad(lossOf(part), [w]);
        value.dispose();
        total = accumulateGradients(total, gradients);
      }
      return total;
    };
    accumulate()![0]!.dispose();
    const before = device().memory().liveBlocks;
    const total = accumulate();
    expect(device().memory().liveBlocks).toBe(before + 1);
    close(await values(total![0]!), await values(whole), 6);
    parts.forEach((part) => part.dispose());
  });

  describe('checkpoint', () => {
    const layer = (h: Tensor) => map('tanh(h * w + 0.1)', { h, w });

    test('gives the values and gradients of the plain computation, to the bit', async () => {
      const body = (wrap: (f: () => Tensor) => Tensor) => () => {
        const first = layer(x);
        const second = wrap(() => layer(layer(first)));
        return sum(map('second * first', { second, first }));
      };
      const plain = valueAndGrad(
        body((f) => f()),
        [w, x],
      );
      const saved = valueAndGrad(body(checkpoint), [w, x]);
      expect(await values(saved.value)).toEqual(await values(plain.value));
      for (const [i, gradient] of saved.gradients.entries()) {
        close(await values(gradient), await values(plain.gradients[i]!), 6);
      }
    });

    test('gives a value that no gradient flows to as it is', async () => {
      const bodies: Record<string, () => Tensor> = {
        'cut off': () => noGrad(() => layer(x)),
        'made of an integer': () => map('k * 2', { k: argmax(layer(x), { axis: 1 }) }),
        'made of nothing watched': () => map('x * 2', { x }),
        'not made at all': () => {
          layer(x);
          return x;
        },
      };
      for (const [name, body] of Object.entries(bodies)) {
        const expected = Array.from(await scope(() => map('v + 0', { v: body() })).data());
        const given = valueAndGrad(() => {
          const fixed = checkpoint(body);
          return { loss: sum(map('f * w', { f: sum(fixed), w })), fixed };
        }, [w]);
        expect([...(await given.value.fixed.data())], name).toEqual(expected);
        const total = expected.reduce((a, b) => a + b);
        close(await values(given.gradients[0]!), [total, total, total]);
      }
    });

    test('passes on the gradient of a watched tensor that it gives back', async () => {
      const { gradients } = valueAndGrad(() => {
        const same = checkpoint(() => {
          layer(x);
          return w;
        });
        return sum(map('same * same', { same }));
      }, [w]);
      close(await values(gradients[0]!), [0.6, -0.4, 1.4]);
    });

    test('holds fewer blocks between forward and backward', () => {
      const held = (wrap: (f: () => Tensor) => Tensor) => {
        const before = device().memory().liveBlocks;
        const tape = new Tape([w]);
        const loss = tape.run(() => scope(() => sum(wrap(() => layer(layer(layer(layer(x))))))));
        const blocks = device().memory().liveBlocks - before;
        tape.free();
        loss.dispose();
        expect(device().memory().liveBlocks).toBe(before);
        return blocks;
      };
      expect(held((f) => f())).toBe(5);
      expect(held(checkpoint)).toBe(2);
    });
  });

  test('customVjp replaces the derivative: straight-through rounding', async () => {
    const roundThrough = (v: Tensor) =>
      customVjp(
        [v],
        (v) => map('round(v)', { v }),
        (gradient) => [gradient],
      );
    const { value, gradients } = valueAndGrad(
      () => sum(map('r * x', { r: roundThrough(x), x: noGrad(() => map('x + 0', { x })) })),
      [x],
    );
    close(await values(gradients[0]!), [0.5, -1, 2, 0.25, 3, -0.75]);
    close([await value.item()], [0 + 1 + 4 + 0 + 9 + 0.75]);
    value.dispose();
  });

  test('an input that passes through customVjp or checkpoint unchanged has the right gradient', async () => {
    const reversed = (v: Tensor) =>
      customVjp(
        [v],
        (v) => v,
        (gradient) => [map('-gradient', { gradient })],
      );
    const used = (v: Tensor) =>
      checkpoint(() => {
        map('2 * v', { v });
        return v;
      });
    const squares = (f: (v: Tensor) => Tensor) => grad((v) => sum(map('y * y', { y: f(v) })))(w);
    close(await values(squares(reversed)), await values(map('-2 * w', { w })));
    close(await values(squares(used)), await values(map('2 * w', { w })));
  });

  test('customVjp frees what its forward pass makes on the way', async () => {
    const twice = () =>
      customVjp(
        [w],
        (w) => map('2 * x', { x: map('w + 1', { w }) }),
        (gradient) => [gradient],
      );
    twice().dispose();
    const before = device().memory().liveBlocks;
    const output = twice();
    expect(device().memory().liveBlocks).toBe(before + 1);
    close(await values(output), await values(map('2 * (w + 1)', { w })));
    output.dispose();
  });

  test('noGrad cuts the gradient', async () => {
    const gradient = grad((v) => sum(map('v * c', { v, c: noGrad(() => map('v * v', { v })) })))(w);
    close(await values(gradient), [0.09, 0.04, 0.49]);
  });

  test('a gradient taken inside of another tape is a constant to it', async () => {
    const outer = valueAndGrad(() => {
      const inner = grad((v) => sum(map('v * v * v', { v })))(w);
      return sum(map('inner * w', { inner, w }));
    }, [w]);
    // Σ 3w²·w with 3w² held constant
    close(await values(outer.gradients[0]!), [0.27, 0.12, 1.47]);
    outer.value.dispose();
  });

  test('gradCheck finds a wrong derivative', async () => {
    const random = uniformSource(3);
    const right = () => mean(map('exp(w) * w', { w }));
    expect((await gradCheck(right, [w], { random })).worst).toBeLessThan(5e-3);
    const wrong = () =>
      mean(
        customVjp(
          [w],
          (w) => map('exp(w) * w', { w }),
          (gradient, [w]) => [map('gradient * exp(w)', { gradient, w: w! })],
        ),
      );
    expect((await gradCheck(wrong, [w], { random })).worst).toBeGreaterThan(0.05);
  });

  test('a product over no elements is 0, and so are its gradients', async () => {
    const [a, b, bias] = [zeros([2, 0]), zeros([0, 3]), tensor([1, 2, 3])];
    expect(await values(matmul(a, b))).toEqual([0, 0, 0, 0, 0, 0]);
    for (const [epilogue, expected] of [
      ['acc + bias', [1, 2, 3, 1, 2, 3]],
      ['square(acc - bias)', [1, 4, 9, 1, 4, 9]],
    ] as const) {
      const product = () => matmul(a, b, { epilogue, inputs: { bias } });
      expect(await values(product())).toEqual(expected);
      const { gradients } = valueAndGrad(() => sum(product()), [a, bias]);
      expect(gradients[0]!.shape).toEqual([2, 0]);
      close(await values(gradients[1]!), epilogue === 'acc + bias' ? [2, 2, 2] : [4, 8, 12]);
    }
  });

  describe('errors', () => {
    test('a second backward', () => {
      scope(() => {
        const tape = new Tape([w]);
        const loss = tape.run(() => sum(w));
        tape.backward(loss, [w]);
        expect(() => tape.backward(loss, [w])).toThrow(TapeError);
        expect(() => tape.backward(loss, [w])).toThrow('freed by an earlier backward');
      });
    });

    test('keep allows a second backward, with the same result', async () => {
      const tape = new Tape([w]);
      const loss = tape.run(() => scope(() => sum(map('w * w', { w }))));
      const [first] = tape.backward(loss, [w], { keep: true });
      const [second] = tape.backward(loss, [w]);
      loss.dispose();
      expect(await values(second!)).toEqual(await values(first!));
    });

    test('a body without a loss', () => {
      for (const body of [() => 3, () => undefined, () => ({ loss: 3 })]) {
        expect(() => valueAndGrad(body as unknown as () => Tensor, [w])).toThrow(
          'the body must return the loss, a tensor, or { loss, … }',
        );
      }
    });

    test('a loss that is not a scalar, or that nothing led to', () => {
      expect(() => valueAndGrad(() => map('w * 2', { w }), [w])).toThrow(
        'the loss must be a scalar, got shape [3]',
      );
      expect(() => valueAndGrad(() => sum(x), [w])).toThrow(
        'does not depend on any watched tensor',
      );
    });

    test('rewriting a tensor that a gradient flows through', () => {
      scope(() => {
        const tape = new Tape([w]);
        const call = { inputs: [w], outputs: [], params: undefined };
        const op = { name: 'update', mutates: [0] };
        expect(() => tape.record({ ...call, op: op as never })).toThrow(
          'update: rewrites a tensor that a gradient flows through',
        );
      });
    });

    test('an error in the body frees what was made', () => {
      const fail = () =>
        valueAndGrad(() => {
          map('exp(w)', { w: map('w * w', { w }) });
          throw new Error('stop');
        }, [w]);
      expect(fail).toThrow('stop');
      const before = device().memory().liveBlocks;
      expect(fail).toThrow('stop');
      expect(device().memory().liveBlocks).toBe(before);
    });
  });

  // A device may keep the code of a kernel in its memory, so these count from the second run on.
  test('a step frees all that it made but its results', async () => {
    const step = () => {
      const { value, gradients } = valueAndGrad(() => {
        const hidden = map('tanh(x * w)', { x, w });
        return { loss: sum(map('h * h', { h: hidden })), hidden };
      }, [w]);
      return [value.loss, value.hidden, gradients[0]!];
    };
    step().forEach((t) => t.dispose());
    const before = device().memory().liveBlocks;
    const kept = step();
    expect(device().memory().liveBlocks).toBe(before + 3);
    kept.forEach((t) => t.dispose());
    expect(device().memory().liveBlocks).toBe(before);
    await device().synchronize();
  });

  test('a tape outside of any scope leaks nothing', () => {
    const before = device().memory().liveBlocks;
    const tape = new Tape([w]);
    const loss = tape.run(() => scope(() => sum(map('w * w', { w }))));
    const [gradient] = tape.backward(loss, [w]);
    loss.dispose();
    gradient!.dispose();
    expect(device().memory().liveBlocks).toBe(before);
  });
});
