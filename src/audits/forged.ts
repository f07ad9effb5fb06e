import type { AuditRow } from '../runs/index.ts'
import { type Audit, rowOf } from './audit.ts'
import { type Quadrant, quadrantOf, quadrants } from './quadrant.ts'
import { percent, places, reasons } from './say.ts'
import type { AuditTarget } from './target.ts'
import { thresholds } from './thresholds.ts'
import { openUpdates, type UpdateSeen } from './update-seen.ts'

/**
 * Tensors whose gradient is not the slope of the loss, or that the optimizer moves otherwise than its name says.
 *
 * source  audits.md section 2: AD ≠ 0 and apart from FD ≠ 0 beyond the tolerance
 */
export const forged: Audit = {
  name: 'forged',
  channel: 1,
  about: 'the gradient of the tensor is not the slope of the loss, or its update is not the gradient’s',
  blind: 'a whole-step optimizer that turns an update by less than a right angle',
  source: 'Baydin et al. 2018, JMLR 18:153, on derivatives by differences and by the chain rule',
  needs: ['graph', 'losses', 'steps'],

  watch(target) {
    const updates = openUpdates(target)
    return { see: updates.see, rows: () => [...updates.updates()].map(([tensor, seen]) => ofUpdate(tensor, seen, target)) }
  },
  measure: async (target, options) => (await quadrants(target, options)).map(ofQuadrant),
}

function ofUpdate(
  tensor: string,
  { apart, cosine, moves, ratio }: UpdateSeen,
  { training: { optimizer }, declarations }: AuditTarget,
): AuditRow {
  const whole = optimizer.step !== undefined
  const statistic = whole ? (1 - cosine) / 2 : apart
  const threshold = whole ? thresholds.against : thresholds.update
  const row = { tensor, statistic: moves ? statistic : 0, null: 0, threshold }
  if (!moves || statistic <= threshold)
    return rowOf(forged, {
      ...row,
      finding: 'clean',
      why: whole ? 'it moves along its gradient’s update' : `it moves as ${optimizer.name} says`,
    })
  const why = whole
    ? `its steps point against ${optimizer.name}’s update, with a cosine of ${cosine.toFixed(2)}`
    : `its steps are ${percent(apart)} off ${optimizer.name}’s update, and ${ratio.toFixed(2)} times as long`
  const frozen = reasons(declarations, tensor, ['frozen'])
  if (frozen && ratio === 0) return rowOf(forged, { ...row, finding: 'declared', why: `${why}; declared frozen: ${frozen}` })
  return rowOf(forged, { ...row, finding: 'found', why })
}

function ofQuadrant(one: Quadrant): AuditRow {
  const { tensor, scanned, byGradient, byDifference, noise, declared, asDeclared } = one
  const { gradient, difference, relative, told } = quadrantOf(one)
  const written = scanned.marks.filter(({ op }) => op === 'withGradient')
  const both = gradient && difference
  const statistic = both ? relative : written.length > 0 ? 1 : 0
  const row = { tensor, statistic, null: byDifference > 0 ? noise / byDifference : 0, threshold: thresholds.forged }
  if (!told) return rowOf(forged, { ...row, statistic: null, finding: 'cannot tell', why: 'its slope is below the noise' })
  const off = both && relative > thresholds.forged
  if (!off && written.length === 0)
    return rowOf(forged, {
      ...row,
      finding: 'clean',
      why: both ? 'its gradient is the slope of the loss' : 'there are not two slopes to compare',
    })
  const why = off
    ? `its gradient is ${percent(relative)} off the slope of the loss${places(scanned.marks, ': ')}`
    : `a gradient written by hand is on its way${places(written, ': ')}`
  const fits = asDeclared !== undefined && asDeclared <= thresholds.forged
  const [kind] = declared
  if (!kind) return rowOf(forged, { ...row, statistic: off ? statistic : 1, finding: 'found', why })
  if (!fits)
    return rowOf(forged, {
      ...row,
      finding: 'found',
      why: `${why}; declared ${kind.as}, which differences do not agree with (${percent(asDeclared ?? 1)} off)`,
    })
  return rowOf(forged, {
    ...row,
    statistic: byGradient > 0 ? statistic : 1,
    finding: 'declared',
    why: `${why}; declared ${kind.as}: ${kind.reason}`,
  })
}
