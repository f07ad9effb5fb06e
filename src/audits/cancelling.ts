import { UserError } from '../graph/index.ts'
import { type Audit, rowOf } from './audit.ts'
import { declaredOf } from './declaration.ts'
import type { AuditRow } from './finding.ts'
import { type Interaction, interactions } from './interaction.ts'
import { percent } from './say.ts'
import { type Spread, spreads } from './spread.ts'
import type { AuditTarget } from './target.ts'
import { settings, thresholds } from './thresholds.ts'
import type { AgainstNull } from './variance-ratio.ts'

/**
 * Gradients of examples that cancel within a batch: what an example adds to its batch is not its own gradient, or the sampler puts together
 * what cancels.
 *
 * throws  UserError where the batches hold one example
 * source  audits.md section 5
 */
export const cancelling: Audit = {
  name: 'cancelling',
  channel: 4,
  about: 'gradients of examples cancel within a batch',
  blind: 'an interaction that shows in none of the batches that were looked at, or far from the parameters of those steps',
  source: 'McCandlish et al. 2018, arXiv:1812.06162, on the variance of batch means',
  needs: ['examples'],
  async measure(target, options) {
    const { batch } = target.training
    if (batch < 2)
      throw new UserError(
        `audit: train.batch must be 2 or more for cancelling, whose statistic is a variance within batches, got ${batch}; give a larger batch`,
      )
    const found = await interactions(target, options)
    const spread = await spreads(target, options)
    return target.tensors.flatMap(({ name }) => [ofInteraction(name, found.get(name)!, target), ofSpread(name, spread.get(name)!, target)])
  },
}

function ofInteraction(tensor: string, { relative, noise, alone, batch }: Interaction, { declarations, stepping }: AuditTarget): AuditRow {
  const row = { tensor, statistic: relative, null: noise, threshold: thresholds.interaction }
  const clean = (why: string) => rowOf(cancelling, { ...row, finding: 'clean', why })
  if (alone === 0 && relative === 0) return clean('no gradient to speak of arrives, in a batch or alone')
  if (relative <= thresholds.interaction) return clean(`what an example adds to a batch of ${batch} is its own gradient`)
  if (relative <= 3 * noise)
    return rowOf(cancelling, {
      ...row,
      finding: 'cannot tell',
      why: `an example's part of the gradient is below the noise of ${percent(noise)}`,
    })
  const why = `what an example adds to a batch of ${batch} is ${percent(relative)} off the gradient of it alone`
  const declared = declaredOf(declarations, tensor, 4).find(({ as }) => as === 'batch')
  if (declared) return rowOf(cancelling, { ...row, finding: 'declared', why: `${why}; declared batch: ${declared.reason}` })
  const { name, whole } = stepping.objective
  if (whole) return rowOf(cancelling, { ...row, finding: 'declared', why: `${why}; ${name} compares the whole batch by its definition` })
  return rowOf(cancelling, { ...row, finding: 'found', why })
}

function ofSpread(tensor: string, spread: Spread, { declarations, training }: AuditTarget): AuditRow {
  const { free, matched, cancellation, batches, size, whole } = spread
  const row = { tensor, statistic: alarmOf(free), null: 0, threshold: thresholds.cancelling }
  const say = (finding: AuditRow['finding'], why: string, statistic = row.statistic) =>
    rowOf(cancelling, { ...row, statistic, finding, why })
  const batchesOf = `${batches} batches of ${size}`
  if (whole) return say('clean', 'every batch is all of the data, so that no sampler puts some together', 0)
  if (Number.isNaN(free.ratio)) return say('clean', 'its gradient is the same for every example', 0)
  if (free.most <= settings.surely)
    return say('cannot tell', `${batchesOf} are too few to tell batches that cancel from chance; give more data, or take more steps`)
  const ratio = `means of ${batchesOf} vary ${free.ratio.toPrecision(2)} times as those of examples apart, dealt out anew ${free.null.toPrecision(2)} times (C ${cancellation.toPrecision(2)})`
  if (row.statistic <= thresholds.cancelling) return say('clean', ratio)
  const why = `${ratio}${training.shuffle === false ? ', in the order of the file' : ''}`
  const declared = declaredOf(declarations, tensor, 4).find(({ as }) => as === 'sampler')
  if (!declared) return say('found', why)
  if (alarmOf(matched()) > thresholds.cancelling)
    return say('found', `declared sampler, but examples of one class cancel all the same: ${why}`)
  return say('declared', `${why}; declared sampler: ${declared.reason}`)
}

/** The share of the variance that is missing, where it is surely missing: what the null leaves to chance counts by how sure it is. */
function alarmOf({ ratio, null: usual, below }: AgainstNull): number {
  return Number.isNaN(ratio) ? 0 : Math.max(0, Math.min(1 - ratio / usual, (thresholds.cancelling * below) / settings.surely))
}
