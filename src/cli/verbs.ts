import type { Verbs } from './dispatch.ts'

/** Every verb of the command line. */
export const verbs: Verbs = {}
