import { meanInterval } from '../accept/index.ts'
import { beside } from '../files/index.ts'
import { loadProbes, type ProbeChoice, type Probes, probeFor, type ReadBy } from '../goals/index.ts'
import { UserError } from '../graph/errors.ts'
import { pooled } from '../policy/index.ts'
import type { BeforeAfter, Reading } from '../recipe/reading.ts'
import type { Estimate, MeasureRow, Shown } from '../runs/index.ts'
import { beginningIds } from '../text/index.ts'
import { activationsOf } from './activations.ts'
import { typesOf } from './control-task.ts'
import { type LabelledTexts, readLabelledTexts } from './labelled-texts.ts'
import type { Linear } from './linear.ts'
import { dealTexts } from './parts.ts'
import { probe, rightOf } from './probe.ts'
import { type ProbeKind, probeKinds } from './probe-kinds.ts'

export interface RefitOptions extends ProbeChoice {
  /** Texts with labels: those that the probe was fitted on, so that the same part of them is held out. */
  readonly rows: string
  /** The seed that the parts are dealt by. Default 0, as that of `read probe`. */
  readonly seed?: number
  readonly heldOut?: number
}

/** What a probe, and one fitted again, read in one model on texts held out. */
interface Read {
  /** How much of each held-out group is read right. */
  readonly asItWas: readonly number[]
  readonly again: readonly number[]
  readonly control: Estimate
}

/**
 * A reading for a recipe's `inside`: after training with a probe as goal or penalty, the probe as it was and one fitted again, in the model before and
 * after, on texts held out. Where only the probe as it was is blind, the policy moved its representation away from it, and did not forget.
 *
 * throws  UserError, once training is done, for a file that is wrong
 * source  Hewitt and Liang 2019, arXiv:1909.03368 for the control
 */
export function refit(file: string, { rows, seed = 0, heldOut, ...choice }: RefitOptions): Reading {
  const [path, texts] = [beside(file), beside(rows)]
  return {
    name: 'refit',
    about: `the probe of ${file} for ${choice.label}, as it was and fitted again`,
    async read({ before, after, signal }: BeforeAfter) {
      const [probes, labelled] = [await loadProbes(path), await readLabelledTexts(texts)]
      if (labelled.names.join() !== probes.labels.join())
        throw new UserError(
          `${rows}: labels must be those of ${file}, ${probes.labels.join(', ')}, got ${labelled.names.join(', ')}; give its own rows`,
        )
      const { probe: old } = probeFor('refit', probes, choice)
      const options = { seed, ...(heldOut === undefined ? {} : { heldOut }), ...(signal ? { signal } : {}) }
      const [then, now] = [await readOne(before, probes, old, labelled, options), await readOne(after, probes, old, labelled, options)]
      return [tableOf(old.tap, choice.label, then, now)]
    },
  }
}

async function readOne(
  { policy, checkpoint }: ReadBy,
  { kind, pool }: Pick<Probes, 'kind' | 'pool'>,
  old: Probes['probes'][number],
  { texts, labels, names }: LabelledTexts,
  { seed, heldOut: share, signal }: { seed: number; heldOut?: number; signal?: AbortSignal },
): Promise<Read> {
  if (!Object.hasOwn(probeKinds, kind))
    throw new UserError(`refit: the kind of a probe must be one of ${Object.keys(probeKinds).join(', ')}, got ${kind}; fit it again`)
  const ids = texts.map((text) => beginningIds(checkpoint.tokenizer, text).ids)
  const vectors = (await pooled(policy, ids, [old.tap], pool, signal ? { signal } : {}))[old.tap]!
  const parts = dealTexts(texts, labels, names, { ...(share === undefined ? {} : { share }), seed })
  const task = { labels, classes: names.length, parts, types: typesOf(ids, 4 * names.length) }
  const again = probe(vectors, task, { kind: kind as ProbeKind, seed })
  const was: Linear = { weight: old.weight.map((row) => Float64Array.from(row)), bias: old.bias }
  const all = activationsOf(vectors)
  return { asItWas: rightOf(was, all, labels, parts), again: rightOf(again.probe, all, labels, parts), control: again.control }
}

function tableOf(tap: string, label: string, before: Read, after: Read): Shown {
  const row = (name: string, estimate: Estimate): MeasureRow => ({ ...estimate, name, group: {} })
  const accuracy = (right: readonly number[]) => meanInterval('accuracy', right, 'share', [0, 1])
  const rows = [
    row('the probe, before', accuracy(before.asItWas)),
    row('the probe, after', accuracy(after.asItWas)),
    row('fitted again, before', accuracy(before.again)),
    row('fitted again, after', accuracy(after.again)),
    row('control, after', after.control),
  ]
  // Both are read on the same texts, so the differences are text by text.
  const fell = (of: 'asItWas' | 'again') => {
    const differences = after[of].map((right, i) => right - before[of][i]!)
    return meanInterval('difference', differences, 'share', [-1, 1]).high < 0
  }
  const [lost, gone] = [fell('asItWas'), fell('again')]
  const finding = gone
    ? 'a probe fitted again reads less than before, too'
    : lost
      ? 'the probe as it was reads less, one fitted again does not: the policy moved its representation away from the probe'
      : 'the probe as it was still reads what it read'
  const about = `share of held-out texts whose label the probe of ${tap} for ${label} reads right, n = ${before.asItWas.length}; ${finding}`
  return { table: { about, rows }, as: 'intervals', axes: { title: 'Probe', unit: 'share' } }
}
