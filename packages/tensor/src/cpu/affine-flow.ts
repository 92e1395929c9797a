import type { Tensor } from '../tensor.ts';
import { pointerOf, type CpuKernel } from './kernel.ts';
import { exp } from './math.ts';
import { sumOfLanes } from './lanes.ts';
import { eachQuad } from './quads.ts';
import { F32x4, I32, kernelModule, readWords, type FunctionBuilder } from './wasm/index.ts';

const elementsPerTask = 8192;

function planTokens(z: Tensor, blocks: readonly Tensor[]): { words: number[]; taskCount: number } {
  const [batch, tokens, channels] = z.shape as [number, number, number];
  const count = batch * tokens;
  const tokensPerTask = Math.max(1, Math.floor(elementsPerTask / Math.max(1, channels)));
  return {
    words: [count, tokens, channels, tokensPerTask, ...blocks.map(pointerOf)],
    taskCount: Math.ceil(count / tokensPerTask),
  };
}

/** A token, and where its row of d channels and those of 2d parameters begin. */
interface Token {
  readonly token: I32;
  readonly isFirst: I32;
  /** Tokens of a sequence. */
  readonly tokens: I32;
  readonly bytes: I32;
  row(block: I32): I32;
  /** A row of μ, then log-stds: the one `ahead` tokens later. */
  paramsRow(block: I32, ahead: I32 | number): { shift: I32; logScale: I32 };
}

function eachToken(
  f: FunctionBuilder,
  args: I32,
  task: I32,
  blockCount: number,
  body: (token: Token, blocks: I32[]) => void,
): void {
  const w = readWords(f, args, ['count', 'tokens', 'channels', 'tokensPerTask']);
  const blocks = Array.from({ length: blockCount }, (_, i) => f.let(f.i32(args, 4 * (4 + i))));
  const bytes = f.let(w.channels.shl(2));
  f.eachOfTask(task, w.tokensPerTask, w.count, (token) => {
    const paramsRow: Token['paramsRow'] = (block, ahead) => {
      const shift = f.let(block.add(token.add(ahead).mul(bytes.shl(1))));
      return { shift, logScale: f.let(shift.add(bytes)) };
    };
    const row: Token['row'] = (block) => f.let(block.add(token.mul(bytes)));
    const isFirst = f.let(token.rem(w.tokens).eq(0));
    body({ token, isFirst, tokens: w.tokens, bytes, row, paramsRow }, blocks);
  });
}

/** Inputs x and params; outputs z = (x - μ) exp(-a) and -Σ a, with the parameters of the token before. */
export const affineFlowKernel: CpuKernel<object> = (run, { inputs, outputs }) => {
  const plan = planTokens(outputs[0]!, [...inputs, ...outputs]);
  run.execute({ key: 'affine flow', build: forwardModule, ...plan });
};

function forwardModule() {
  return kernelModule((f, args, task) => {
    eachToken(f, args, task, 4, ({ token, isFirst, bytes, row, paramsRow }, blocks) => {
      const [x, params, z, logDet] = blocks as [I32, I32, I32, I32];
      const [source, target] = [row(x), row(z)];
      const sum = f.let(F32x4.of(0));
      f.if(
        isFirst,
        () => eachQuad(f, bytes, (quad) => quad.store(target, quad.load(source))),
        () => {
          const { shift, logScale } = paramsRow(params, -1);
          eachQuad(f, bytes, (quad) => {
            const a = quad.load(logScale);
            f.set(sum, sum.sub(quad.keep(a, 0)));
            const factor = exp(f, f.let(a.neg()));
            quad.store(target, quad.load(source).sub(quad.load(shift)).mul(factor));
          });
        },
      );
      f.store(logDet.add(token.shl(2)), sumOfLanes(f, sum).lane(0));
    });
  });
}

/** Inputs params, z, ∂z and ∂logDet; outputs the gradients of x and params. */
export const affineFlowBackwardKernel: CpuKernel<object> = (run, { inputs, outputs }) => {
  const plan = planTokens(outputs[0]!, [...inputs, ...outputs]);
  run.execute({ key: 'affine flow backward', build: backwardModule, ...plan });
};

/** ∂x = ∂z exp(-a), ∂μ = -∂x, ∂a = -∂z z - ∂logDet; a sequence's last parameters are not used. */
function backwardModule() {
  return kernelModule((f, args, task) => {
    eachToken(f, args, task, 6, ({ token, isFirst, tokens, bytes, row, paramsRow }, blocks) => {
      const [params, z, dz, dlogDet, dx, dparams] = blocks as [I32, I32, I32, I32, I32, I32];
      const [value, gradient, target] = [row(z), row(dz), row(dx)];
      f.if(
        isFirst,
        () => {
          eachQuad(f, bytes, (quad) => quad.store(target, quad.load(gradient)));
          const unused = paramsRow(dparams, tokens.sub(1)).shift;
          eachQuad(f, f.let(bytes.shl(1)), (quad) => quad.store(unused, F32x4.of(0)));
        },
        () => {
          const { logScale } = paramsRow(params, -1);
          const own = paramsRow(dparams, -1);
          const volume = f.let(f.splat(dlogDet.add(token.shl(2))));
          eachQuad(f, bytes, (quad) => {
            const g = quad.load(gradient);
            const moved = f.let(g.mul(exp(f, f.let(quad.load(logScale).neg()))));
            quad.store(target, moved);
            quad.store(own.shift, moved.neg());
            quad.store(own.logScale, g.neg().mul(quad.load(value)).sub(volume));
          });
        },
      );
    });
  });
}
