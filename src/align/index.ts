export { type Aligned, type AlignOptions, align } from './align.ts'
export { type OpenAuditOptions, openAudit } from './open-audit.ts'
export { type TrainedRun, trainRun } from './train-run.ts'
export type { Watch } from './watch.ts'
