export { Init } from './init.ts';
export { ShapeInit } from './shape-init.ts';
export { MultiHeadAttention } from './layers/attention.ts';
export { Dropout } from './layers/dropout.ts';
export { Embedding } from './layers/embedding.ts';
export { createKeyValueCache } from './layers/key-value-cache.ts';
export type { KeyValueCache } from './layers/key-value-cache.ts';
export { Linear } from './layers/linear.ts';
export type { LinearForward, LinearOptions } from './layers/linear.ts';
export { Mlp } from './layers/mlp.ts';
export { LayerNorm, RmsNorm } from './layers/norm.ts';
export { TransformerBlock } from './layers/transformer-block.ts';
export type { TransformerBlockOptions } from './layers/transformer-block.ts';
export { Transformer } from './layers/transformer.ts';
export type { TransformerOptions } from './layers/transformer.ts';
export { Module } from './module.ts';
export { Adam, AdamW } from './optimisers/adamw.ts';
export type { AdamOptions } from './optimisers/adamw.ts';
export { Ema } from './optimisers/ema.ts';
export { Optimiser } from './optimisers/optimiser.ts';
export type { OptimiserOptions, UpdateReport } from './optimisers/optimiser.ts';
export { Sgd } from './optimisers/sgd.ts';
export type { SgdOptions } from './optimisers/sgd.ts';
export { decodeSafetensors, encodeSafetensors, SafetensorsError } from './safetensors.ts';
export type {
  BytesInput,
  Float32Input,
  SafetensorsContent,
  SafetensorsInput,
} from './safetensors.ts';
export { constant, cosine, linear } from './schedules.ts';
export type { Schedule, WarmupOptions } from './schedules.ts';
export { StateDictError, toStateDict } from './state-dict.ts';
export type { LoadedTensors, StateDict } from './state-dict.ts';
