export { FunctionBuilder, kernelModule, ModuleBuilder, readWords } from './builder.ts';
export {
  F32,
  F32x4,
  hasRelaxedMadd,
  I32,
  I32x4,
  type Kind,
  type Lanes,
  type Value,
} from './values.ts';
