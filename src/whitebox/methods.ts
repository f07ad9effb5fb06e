import { attributeMethod } from './attribute-method.ts'
import { logitLensMethod } from './logit-lens.ts'
import type { Method } from './method.ts'
import { patchMethod } from './patch.ts'
import { directionsMethod, leaceMethod, probeMethod } from './probe-methods.ts'

/** Every method, in the order of docs/whitebox.md. */
export const methods: readonly Method[] = [logitLensMethod, probeMethod, leaceMethod, directionsMethod, patchMethod, attributeMethod]
