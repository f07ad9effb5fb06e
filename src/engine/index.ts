export { type Engine, openEngine, type Program, part, place, type Resident, type Update } from './engine.ts'
export { type OnnxModel, toOnnx } from './lower.ts'
export type { Blocks, Stride } from './protocol.ts'
