import type { Evaluation, Metrics } from '../runs/index.ts'
import type { Needs } from './estimate.ts'

/** Who looks on while a run goes: the command line draws bars, a program may listen, nobody need. */
export interface Watch {
  /** The run folder, as soon as this process has taken it. */
  run?(folder: string): void
  /** What the run will need, before it begins: one round of at most so many and all of them, or a training run. */
  needs?(needs: { readonly all: Needs; readonly round?: Needs; readonly rounds?: number; readonly judged?: Judged }): void
  /** A line about what is going on. */
  note?(line: string): void
  /** Something that takes a while, of which `before` was done before; `advance` with how much more is done and a word on it. */
  progress?(label: string, total: number, before?: number): { advance(by?: number, about?: string): void; done(): void }
  /** A piece of work that shows no progress, for those who measure where the time goes; what it returns ends it. */
  during?(label: string): () => void
  /** The first completion of a run, as soon as it is there. */
  firstCompletion?(prompt: string, text: string): void
  step?(metrics: Metrics, at: { steps: number }): unknown
  evaluation?(evaluation: Evaluation): void
}

/** How many pairs a judge of the user's is asked about at most; how long it takes is not known before. */
export interface Judged {
  readonly round: number
  readonly all: number
}

/** When a run stops before its end. */
export interface Stopping {
  /** Aborted, it saves and stops by throwing the signal's reason. */
  readonly signal?: AbortSignal
  /** Wait for people's labels instead of stopping where some are missing. */
  readonly wait?: boolean
}

/** Progress that nobody need listen to. */
export function begin(
  watch: Watch,
  label: string,
  total: number,
  before = 0,
): { advance(by?: number, about?: string): void; done(): void } {
  return watch.progress?.(label, total, before) ?? { advance() {}, done() {} }
}

/** Does a piece of work that shows no progress, so that its time is measured. */
export async function during<T>(watch: Watch, label: string, work: () => Promise<T>): Promise<T> {
  const end = watch.during?.(label)
  try {
    return await work()
  } finally {
    end?.()
  }
}
