import { logitLensMethod } from './logit-lens.ts'
import type { Method } from './method.ts'

/** Every method, in the order of docs/whitebox.md. */
export const methods: readonly Method[] = [logitLensMethod]
