import { attributeMethod } from './attribute-method.ts'
import { circuitMethod } from './circuit-method.ts'
import { directMethod } from './direct.ts'
import { headsMethod } from './heads-method.ts'
import { interchangeMethod } from './interchange-method.ts'
import { jacobianLensMethod } from './jacobian-lens.ts'
import { layerSweepMethod } from './layer-sweep-method.ts'
import { logitLensMethod } from './logit-lens.ts'
import { lorraMethod } from './lorra-method.ts'
import type { Method } from './method.ts'
import { patchMethod } from './patch.ts'
import { pathMethod } from './path-method.ts'
import { autoencoderMethod, directionsMethod, leaceMethod, probeMethod } from './probe-methods.ts'
import { romeMethod } from './rome-method.ts'
import { searchMethod } from './search/search-method.ts'
import { steeringMethod } from './steering-method.ts'
import { stitchMethod } from './stitch-method.ts'
import { tunedLensMethod } from './tuned-lens.ts'
import { whyMethod } from './why-method.ts'

/** Every method, in the order of docs/whitebox.md. */
export const methods: readonly Method[] = [
  logitLensMethod,
  tunedLensMethod,
  jacobianLensMethod,
  headsMethod,
  directMethod,
  probeMethod,
  leaceMethod,
  directionsMethod,
  autoencoderMethod,
  patchMethod,
  pathMethod,
  attributeMethod,
  circuitMethod,
  whyMethod,
  interchangeMethod,
  steeringMethod,
  layerSweepMethod,
  stitchMethod,
  lorraMethod,
  searchMethod,
  romeMethod,
]
