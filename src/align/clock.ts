import { addTimes, type Run } from '../runs/index.ts'
import type { Watch } from './watch.ts'

/** A watch that also measures where the time goes. */
export interface Clocked {
  readonly watch: Watch
  /** Adds the seconds that passed since the last call to those in the run's folder. */
  keep(run: Run): Promise<void>
}

/**
 * Measures how long each piece of work takes that is begun on a watch. Work inside other work counts for the inner one alone; what belongs to none is `other`.
 *
 * units   seconds of the clock; the number of a round is taken off a label
 */
export function clocked(watch: Watch, now: () => number = () => performance.now()): Clocked {
  const open: { readonly label: string }[] = []
  let seconds: Record<string, number> = {}
  let since = now()
  /** Gives the time until now to the innermost piece that is open. */
  const turn = () => {
    const label = open.at(-1)?.label ?? 'other'
    const at = now()
    seconds[label] = (seconds[label] ?? 0) + (at - since) / 1000
    since = at
  }
  const begin = (label: string) => {
    turn()
    const piece = { label: label.replace(/^round \d+: /, '') }
    open.push(piece)
    return () => {
      if (!open.includes(piece)) return
      turn()
      open.splice(open.indexOf(piece), 1)
    }
  }
  return {
    watch: Object.assign(Object.create(watch) as Watch, {
      during: begin,
      progress(label: string, total: number, before?: number) {
        const end = begin(label)
        const bar = watch.progress?.(label, total, before)
        return {
          advance: (by?: number, about?: string) => bar?.advance(by, about),
          done() {
            end()
            bar?.done()
          },
        }
      },
    }),
    async keep(run) {
      turn()
      const taken = seconds
      seconds = {}
      await addTimes(run, taken)
    },
  }
}
