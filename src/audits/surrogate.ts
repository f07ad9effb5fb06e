import type { AuditRow } from '../runs/index.ts'
import { type Audit, rowOf } from './audit.ts'
import { type Quadrant, quadrantOf, quadrants } from './quadrant.ts'
import { percent, places, share } from './say.ts'
import { thresholds } from './thresholds.ts'

/**
 * Tensors that a gradient moves although the loss does not follow: a straight-through estimator, or a gradient made up.
 *
 * source  audits.md section 2: AD ≠ 0 and FD ≈ 0
 */
export const surrogate: Audit = {
  name: 'surrogate',
  channel: 1,
  about: 'a gradient moves the tensor, but the loss does not follow',
  blind: 'a surrogate whose slopes are those of the loss',
  source: 'Bengio et al. 2013, arXiv:1308.3432',
  needs: ['graph', 'losses'],
  measure: async (target, options) => (await quadrants(target, options)).map(ofQuadrant),
}

function ofQuadrant(one: Quadrant): AuditRow {
  const { tensor, scanned, byGradient, byDifference, noise, declared, asDeclared } = one
  const { gradient, difference, told } = quadrantOf(one)
  const through = scanned.marks.filter(({ op }) => op === 'straightThrough')
  const alone = gradient && !difference
  const statistic = alone ? share(byGradient, byDifference) : through.length > 0 ? 1 : 0
  const row = { tensor, statistic, null: byGradient > 0 ? noise / byGradient : 0, threshold: thresholds.surrogate }
  if (!told) return rowOf(surrogate, { ...row, statistic: null, finding: 'cannot tell', why: 'its slope is below the noise' })
  if (statistic <= thresholds.surrogate)
    return rowOf(surrogate, { ...row, finding: 'clean', why: gradient ? 'the loss follows its gradient' : 'no gradient moves it' })
  const why = alone
    ? `its gradient is not zero, and the loss does not follow it${places(scanned.marks, ': ')}`
    : `a gradient passes a place as if it were not there${places(through, ': ')}`
  const kind = declared.find(({ as }) => as === 'straight-through')
  if (!kind) return rowOf(surrogate, { ...row, finding: 'found', why })
  if (asDeclared !== undefined && asDeclared > thresholds.forged)
    return rowOf(surrogate, {
      ...row,
      finding: 'found',
      why: `declared straight-through, but differences of the surrogate are ${percent(asDeclared)} off its gradient`,
    })
  return rowOf(surrogate, { ...row, finding: 'declared', why: `${why}; declared straight-through: ${kind.reason}` })
}
