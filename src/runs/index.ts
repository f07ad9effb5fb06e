export { createRun, openRun, type Run } from './run.ts'
export * from './schema.ts'
export { onDisk, writeAtomic } from './write.ts'
