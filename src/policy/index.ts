export { type CacheSize, cacheBytes } from './cache.ts'
export { asksInAttention, type Edit, type EditOptions, edited, type Feeds, fedTo, isInAttention, type Site, underEditsOf } from './edit.ts'
export { editOf, placedFiles, underFiles } from './edit-file.ts'
export { type Forward, forward, type Pass, runInputs, siteTensors } from './forward.ts'
export { type JoinedTree, joinTrees, LONGEST_JOINED } from './join-trees.ts'
export { logitDifference, type Metric } from './metric.ts'
export {
  type Generated,
  type GenerateOptions,
  type Model,
  type ModelFacts,
  type Moved,
  modelOf,
  type Taken,
  type Wanted,
} from './model.ts'
export { type OpenOptions, openModel } from './open-model.ts'
export { type OverOptions, over, type See, type Seen } from './over.ts'
export { at, slice, top } from './parts.ts'
export {
  adapterLeaves,
  openPolicy,
  type Policy,
  placeAdapters,
  policyInputs,
  policyOf,
  readAdapters,
  readParams,
  withParams,
} from './policy.ts'
export { type Pool, pooled } from './pooled.ts'
export { readRow } from './read-row.ts'
export { kept, reader } from './reader.ts'
export { reordered } from './reorder.ts'
export { rowInputs, rowTensors, shapeOf } from './row-inputs.ts'
export {
  type Batch,
  type Packing,
  packTrees,
  planBatches,
  type RowShape,
  type Rows,
  rowShapes,
  type Tree,
  textTree,
  treeLength,
} from './rows.ts'
export { sampleCompletions } from './sample.ts'
export { decoderOnnx, saveOnnx } from './save-onnx.ts'
export { scoreTokens, scoreTrees } from './score.ts'
export { isBlockEnd } from './stages.ts'
export { openTrainee, type Trainee } from './trainee.ts'
