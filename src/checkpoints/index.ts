export { checkEdit, type EditedModel, vectorsAt } from './check-edit.ts'
export { type Checkpoint, loadCheckpoint, models, saveCheckpoint } from './checkpoint.ts'
export { type ActDifference, describeAct, diffEdits, diffWeights, type WeightDifference } from './diff-edits.ts'
export {
  type Act,
  type ActivationAct,
  type EditFile,
  type EditTarget,
  editTarget,
  isOfWeights,
  joinEdits,
  makeEdit,
  type NewEdit,
  readEdit,
  tensorsOf,
  type WeightAct,
  writeEdit,
} from './edit-file.ts'
export type { EditLog, EditLogEntry } from './edit-log.ts'
export { planEdits, residualStream } from './edit-weights.ts'
export { applyEdit, baseOf, editLog, revertEdit } from './edited-folder.ts'
export { type GgufType, saveGguf } from './gguf/save.ts'
export { hubFolder, hubId } from './hub.ts'
export { dataFile, datasetId } from './hub-dataset.ts'
export { loadAdapters } from './load-peft.ts'
export { saveAdapters } from './peft.ts'
export { readSafetensors } from './safetensors.ts'
export { vectorAsEdit, writeVector } from './vector-edit.ts'
export { loadVocabulary, type ModelVocabulary } from './vocabulary.ts'
export { readEdits, withEdits } from './with-edits.ts'
export { type Later, writeSafetensors } from './write-safetensors.ts'
