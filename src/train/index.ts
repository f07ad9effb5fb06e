export { adamw, type Optimizer, traceUpdate } from './adamw.ts'
export { rateAt, type Schedule, scheduleFrom } from './schedule.ts'
export { type StepPlan, type TracedStep, traceFinite, traceStep } from './step.ts'
export { type Course, type Example, type Trained, type Training, train } from './train.ts'
