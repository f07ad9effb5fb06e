export { cacheFolder } from './cache-folder.ts'
export { parse, readJson } from './json.ts'
export { onDisk, writeAtomic } from './write.ts'
export { writeFolder } from './write-folder.ts'
