import { type Audit, rowOf } from './audit.ts'
import { type Quadrant, quadrantOf, quadrants } from './quadrant.ts'
import { thresholds } from './thresholds.ts'

/**
 * Tensors that neither a gradient moves nor the loss depends on, here: dead units, an adapter at its start. No alarm by itself, but said.
 *
 * source  audits.md section 2: AD ≈ 0 and FD ≈ 0
 */
export const inert: Audit = {
  name: 'inert',
  channel: 1,
  about: 'neither a gradient nor the loss knows of the tensor, here; no alarm by itself',
  blind: 'what the tensor does on other examples, or once it has moved',
  source: 'Lu et al. 2020, arXiv:1903.06733, on units that are dead',
  needs: ['graph', 'losses'],
  measure: async (target, options) => (await quadrants(target, options)).map(ofQuadrant),
}

function ofQuadrant(one: Quadrant) {
  const { gradient, difference, told } = quadrantOf(one)
  const none = !gradient && !difference
  const row = { tensor: one.tensor, statistic: none ? 1 : 0, null: null, threshold: thresholds.inert }
  if (!told && one.scanned.read)
    return rowOf(inert, { ...row, statistic: null, finding: 'cannot tell', why: 'its slope is below the noise' })
  const why = none ? (one.scanned.read ? 'it does nothing to the loss here' : 'the loss does not read it') : 'it does something to the loss'
  return rowOf(inert, { ...row, finding: 'clean', why })
}
