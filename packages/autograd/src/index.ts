export { checkpoint } from './checkpoint.ts';
export { customVjp } from './custom-vjp.ts';
export type { CustomVjp } from './custom-vjp.ts';
export { accumulateGradients, grad, noGrad, valueAndGrad } from './grad.ts';
export { gradCheck } from './grad-check.ts';
export type { GradCheckReport } from './grad-check.ts';
export { Tape, TapeError } from './tape.ts';
