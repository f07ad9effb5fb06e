export { bootstrap, type Resampling } from './bootstrap.ts'
export { atLeast, atMost, between, judgeCriteria } from './criteria.ts'
export * from './metrics.ts'
export { type Decision, decide, type StopRules } from './verdict.ts'
