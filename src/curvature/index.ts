export { gradientOf } from './gradient-of.ts'
export { hvp } from './hvp.ts'
export { type Example, perExample } from './per-example.ts'
export type { ByParameter, Risk, SeenTrees, Taken } from './risk.ts'
