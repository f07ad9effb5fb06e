import type { AuditRow } from '../runs/index.ts'
import type { Audit } from './audit.ts'
import { rowOf } from './audit.ts'
import type { Declaration } from './declaration.ts'
import { type Quadrant, quadrantOf, quadrants } from './quadrant.ts'
import { percent, places, reasons, share } from './say.ts'
import { thresholds } from './thresholds.ts'
import { openUpdates } from './update-seen.ts'

/**
 * Tensors that the loss depends on and that no gradient moves: a stop, a hard choice, or an optimizer that leaves them.
 *
 * source  audits.md section 2: the faithfulness quadrant, AD ≈ 0 and FD ≠ 0
 */
export const shielded: Audit = {
  name: 'shielded',
  channel: 1,
  about: 'the loss depends on the tensor, but no gradient moves it',
  blind: 'a way to the loss that no example of the audited step takes',
  source: 'Baydin et al. 2018, JMLR 18:153, on derivatives by differences and by the chain rule',
  needs: ['graph', 'losses', 'steps'],

  watch(target) {
    const updates = openUpdates(target)
    return {
      see: updates.see,
      rows: () => [...updates.updates()].map(([tensor, seen]) => ofUpdate(tensor, seen, target)),
    }
  },
  measure: async (target, options) => (await quadrants(target, options)).map(ofQuadrant),
}

type Update = ReturnType<ReturnType<typeof openUpdates>['updates']> extends ReadonlyMap<string, infer U> ? U : never

function ofUpdate(
  tensor: string,
  { stalled, same, moves }: Update,
  { declarations, plan }: Parameters<NonNullable<Audit['watch']>>[0],
): AuditRow {
  const frozen = reasons(declarations, tensor, ['frozen'])
  const row = { tensor, statistic: stalled, null: 0, threshold: thresholds.stalled }
  const steps = `${plan.length} steps`
  if (frozen && !same) return rowOf(shielded, { ...row, statistic: 1, finding: 'found', why: `declared frozen, but ${steps} changed it` })
  if (stalled <= thresholds.stalled)
    return rowOf(shielded, {
      ...row,
      finding: 'clean',
      why: moves ? `${steps} move it as its gradient asks` : `${steps} ask nothing of it`,
    })
  const why = `the optimizer leaves ${percent(stalled)} of its entries, which its own update moves`
  if (frozen) return rowOf(shielded, { ...row, finding: 'declared', why: `${why}; declared frozen: ${frozen}` })
  return rowOf(shielded, { ...row, finding: 'found', why })
}

function ofQuadrant(one: Quadrant): AuditRow {
  const { tensor, scanned, byGradient, byDifference, noise, perSlope, declared, asDeclared, far = 0 } = one
  const { gradient, arrives, difference, told } = quadrantOf(one)
  const stops = scanned.marks.filter(({ op }) => op !== 'straightThrough' && op !== 'withGradient')
  const hidden = far > 1e-6
  const missed = difference && !gradient ? share(byDifference, byGradient) : hidden || stops.length > 0 ? 1 : 0
  const row = { tensor, statistic: missed, null: byDifference > 0 ? noise / byDifference : 0, threshold: thresholds.shielded }
  if (!told && !hidden && scanned.read)
    return rowOf(shielded, {
      ...{ ...row, statistic: null, finding: 'cannot tell' },
      why: `its slope is below the noise: it changes the loss by less than ${(noise * perSlope).toPrecision(1)} of itself`,
    })
  if (missed <= thresholds.shielded)
    return rowOf(shielded, { ...row, finding: 'clean', why: 'a gradient tells of all that it does to the loss' })
  const why =
    difference && !gradient
      ? `moved by its own size it changes the loss by ${percent(byDifference * perSlope)}, and ${arrives ? 'a thousandth of that arrives as gradient, or less' : 'no gradient arrives'}${places(stops, ': ')}`
      : hidden
        ? `moved far it changes the loss by ${percent(far)}, and no gradient arrives${places(stops, ': ')}`
        : `a part of what it does passes no gradient${places(stops, ': ')}`
  // Where a rounding jumps within the difference, its surrogate's slope is small beside the jump; that it is the surrogate's is checked below.
  const jumps = ({ as }: Declaration) => as === 'straight-through' && arrives && stops.length === 0 && !hidden
  const kinds = declared.filter((one) => one.as === 'frozen' || one.as === 'stop' || one.as === 'choice' || jumps(one))
  if (kinds.length === 0) return rowOf(shielded, { ...row, finding: 'found', why })
  if (asDeclared !== undefined && asDeclared > thresholds.forged)
    return rowOf(shielded, {
      ...{ ...row, finding: 'found' },
      why: `declared ${kinds[0]!.as}, but its gradient is ${percent(asDeclared)} off the loss with that part held`,
    })
  return rowOf(shielded, { ...row, finding: 'declared', why: `${why}; declared ${kinds[0]!.as}: ${kinds[0]!.reason}` })
}
