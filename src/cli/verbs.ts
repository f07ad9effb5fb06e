import type { Verbs } from './dispatch.ts'

/** Every verb of the command line, loaded when it is asked for. */
export const verbs: Verbs = {
  'pairs check': async () => (await import('./pairs-check.ts')).pairsCheck,
  report: async () => (await import('./report.ts')).report,
  init: async () => (await import('./init.ts')).init,
}
