import type { Evaluation, Metrics } from '../runs/index.ts'
import type { Needs } from './estimate.ts'

/** Who looks on while a run goes: the command line draws bars, a program may listen, nobody need. */
export interface Watch {
  /** The run folder, as soon as this process has taken it. */
  run?(folder: string): void
  /** What the run will need, before it begins: one round of at most so many and all of them, or a training run. */
  needs?(needs: { readonly all: Needs; readonly round?: Needs; readonly rounds?: number }): void
  /** A line about what is going on. */
  note?(line: string): void
  /** Something that takes a while; `advance` with how much of the total is done and a word on it. */
  progress?(label: string, total: number): { advance(by?: number, about?: string): void; done(): void }
  /** The first completion of a run, as soon as it is there. */
  story?(prompt: string, text: string): void
  step?(metrics: Metrics, at: { steps: number }): unknown
  evaluation?(evaluation: Evaluation): void
}

/** Progress that nobody need listen to. */
export function begin(watch: Watch, label: string, total: number): { advance(by?: number, about?: string): void; done(): void } {
  return watch.progress?.(label, total) ?? { advance() {}, done() {} }
}
