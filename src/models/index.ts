export { type Checkpoint, loadCheckpoint, models, saveCheckpoint } from './checkpoint.ts'
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
export { type GgufType, saveGguf } from './gguf/save.ts'
export { hubFolder, hubId } from './hub.ts'
export { adaptedNorms, freshAdapters, type Lora, linearLayers, mergeAdapters, unmergeAdapters } from './lora.ts'
export { saveOnnx } from './onnx.ts'
export { type DecoderBlock, type DecoderParams, decoderParams } from './params.ts'
export { loadAdapters, saveAdapters } from './peft.ts'
export {
  adapterLeaves,
  openPolicy,
  type Policy,
  placeAdapters,
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
export { LONGEST_SHARED, type SharedTree, shareTrees } from './share.ts'
export { cacheFolder } from './stories15m.ts'
export { philox, uniform } from './uniform.ts'
