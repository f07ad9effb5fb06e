export { LONGEST_SHARED, type SharedTree, shareTrees } from './join-trees.ts'
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
export { sampleCompletions } from './sample.ts'
