import type { AuditRow } from '../runs/index.ts'
import { optimizers } from '../train/index.ts'
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
  blind: 'an optimizer of its own name that turns or slows the updates of all tensors alike',
  source: 'Baydin et al. 2018, JMLR 18:153, on derivatives by differences and by the chain rule',
  needs: ['graph', 'losses', 'steps'],

  watch(target) {
    const updates = openUpdates(target)
    return {
      see: updates.see,
      rows() {
        const seen = updates.updates()
        return [...seen].map(([tensor, one]) => ofUpdate(tensor, one, usual(seen), target))
      },
    }
  },
  measure: async (target, options) => (await quadrants(target, options)).map(ofQuadrant),
}

/** How the tensors move beside their updates, in the middle of all that move. */
function usual(seen: ReadonlyMap<string, UpdateSeen>): Pick<UpdateSeen, 'cosine' | 'ratio'> {
  const moving = [...seen.values()].filter(({ moves }) => moves)
  const middle = (of: (one: UpdateSeen) => number) => moving.map(of).sort((a, b) => a - b)[Math.floor(moving.length / 2)] ?? 1
  return { cosine: middle(({ cosine }) => cosine), ratio: middle(({ ratio }) => ratio) }
}

function ofUpdate(
  tensor: string,
  { apart, cosine, moves, ratio }: UpdateSeen,
  others: Pick<UpdateSeen, 'cosine' | 'ratio'>,
  { training: { optimizer }, declarations }: AuditTarget,
): AuditRow {
  // A step of its own name may be anything that goes along its update, but it must go so with every tensor.
  const own = optimizer.step !== undefined && !Object.hasOwn(optimizers, optimizer.name)
  const turned = Math.max((1 - cosine) / 2, others.cosine - cosine)
  const slowed = ratio < thresholds.slowed * others.ratio
  const statistic = own ? (slowed ? 1 : turned) : apart
  const threshold = own ? thresholds.against : thresholds.update
  const row = { tensor, statistic: moves ? statistic : 0, null: 0, threshold }
  if (!moves || statistic <= threshold)
    return rowOf(forged, {
      ...row,
      finding: 'clean',
      why: own ? 'it moves along its gradient’s update, as the others do' : `it moves as ${optimizer.name} says`,
    })
  const beside = `${percent(apart)} off ${optimizer.name}’s update, and ${ratio.toFixed(2)} times as long`
  const why = own
    ? `its steps go with a cosine of ${cosine.toFixed(2)} along ${optimizer.name}’s update, ${ratio.toFixed(2)} times as long; the others with ${others.cosine.toFixed(2)}, ${others.ratio.toFixed(2)} times as long`
    : `its steps are ${beside}`
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
