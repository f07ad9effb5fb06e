export { parse, readJson } from './json.ts'
export { onDisk, writeAtomic } from './write.ts'
