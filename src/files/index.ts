export { parsed, readUnparsed, sizeOf, type Unread } from './batches.ts'
export { beside, namingBeside } from './beside.ts'
export { cacheFolder } from './cache-folder.ts'
export { hashFile, hashText } from './hash.ts'
export { parse, parseJson, readJson } from './json.ts'
export { type JsonLine, parseJsonObject, readJsonLines, readJsonObjects } from './json-lines.ts'
export {
  checkState,
  type FilePlace,
  filedTensor,
  fileState,
  isLazy,
  lazyTensor,
  placeOf,
  readBytes,
  readPlace,
  readTensor,
} from './lazy-tensor.ts'
export { linesOf } from './lines.ts'
export { type LockOptions, lock } from './lock.ts'
export { readObjects } from './objects.ts'
export { openSpill, type Spill } from './spill.ts'
export { onDisk, writeAtomic, writeFolder } from './write.ts'
