export { type Checkpoint, loadCheckpoint, models, saveCheckpoint } from './checkpoint.ts'
export { type DecoderConfig, readConfig, writeConfig } from './config.ts'
export { type Adapters, completionLogps, type DecoderInputs, type DecoderOptions, decoder, logits, rmsNorm, tokenLogps } from './decoder.ts'
export { type GgufType, saveGguf } from './gguf/save.ts'
export { hubFolder, hubId } from './hub.ts'
export { freshAdapters, type Lora, linearLayers, mergeAdapters } from './lora.ts'
export { type DecoderBlock, type DecoderParams, decoderParams } from './params.ts'
export { loadAdapters, saveAdapters } from './peft.ts'
export {
  openPolicy,
  type Policy,
  policyInputs,
  policyOf,
  readAdapters,
  readParams,
  rowInputs,
  rowTensors,
  scoreTrees,
  shapeOf,
} from './policy.ts'
export { type Batch, type Packing, packTrees, type RowShape, type Rows, rowShapes, type Tree, textTree } from './rows.ts'
export { readSafetensors, writeSafetensors } from './safetensors.ts'
export { sampleCompletions } from './sample.ts'
export type { Completion, Sampling } from './sampling.ts'
export { cacheFolder } from './stories15m.ts'
export { uniform } from './uniform.ts'
