export { gradientOf } from './gradient-of.ts'
export { hvp } from './hvp.ts'
export { perExample, type TreeGradient } from './per-example.ts'
export type { ByParameter, Risk, RiskValue, SeenTrees } from './risk.ts'
