export { type DecoderConfig, readConfig, writeConfig } from './config.ts'
export {
  type Adapter,
  type Adapters,
  completionLogps,
  type DecoderInputs,
  type DecoderOptions,
  decoder,
  logits,
  rmsNorm,
  tokenLogps,
} from './decoder.ts'
export { freshParams } from './fresh.ts'
export { adaptedNorms, freshAdapters, type Lora, linearLayers, mergeAdapters, unmergeAdapters } from './lora.ts'
export { type DecoderBlock, type DecoderParams, decoderParams } from './params.ts'
export type { Completion, Sampling } from './sampling.ts'
