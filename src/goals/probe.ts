import { z } from 'zod'
import type { Checkpoint } from '../checkpoints/index.ts'
import { beside, readJson, writeAtomic } from '../files/index.ts'
import { UserError } from '../graph/errors.ts'
import { type Policy, pooled } from '../policy/index.ts'
import { beginningIds } from '../text/index.ts'
import { type Goal, goal, type MadeOptions, type ReadBy, type Sample } from './goal.ts'

const numbers = z.array(z.number()).readonly()

const probeSchema = z.strictObject({
  tap: z.string(),
  /** One row of two classes, whose score above 0 is the second class; else one row for each. */
  weight: z.array(numbers).readonly(),
  bias: numbers,
  /** Held out, while it was fitted. */
  accuracy: z.number(),
})

/** Probes as a file: linear readings of taps of one model, fitted together on the same texts. */
export const probesSchema = z.strictObject({
  format: z.literal('innate probes 1'),
  kind: z.string(),
  /** The model that they read: another one has other directions. */
  model: z.strictObject({ name: z.string(), sha256: z.string() }),
  /** Which tokens of a text stand for it. */
  pool: z.enum(['last', 'mean']),
  /** The classes by name, in the order of scores. */
  labels: z.array(z.string()).readonly(),
  probes: z.array(probeSchema).readonly(),
})
export type Probes = Readonly<z.infer<typeof probesSchema>>
export type Probe = Probes['probes'][number]

/** Writes probes as JSON, atomically. */
export async function saveProbes(file: string, probes: Probes): Promise<void> {
  await writeAtomic(file, `${JSON.stringify(probes)}\n`)
}

/**
 * Reads a file of probes.
 *
 * throws  UserError when it is none, or a probe of it has not one weight row and one bias for each class
 */
export async function loadProbes(file: string): Promise<Probes> {
  const probes = await readJson(beside(file), probesSchema, 'write it with: innate read probe --to FILE')
  const rows = probes.labels.length === 2 ? 1 : probes.labels.length
  for (const { tap, weight, bias } of probes.probes) {
    const widths = new Set(weight.map(({ length }) => length))
    if (weight.length !== rows || bias.length !== rows || widths.size !== 1)
      throw new UserError(
        `${file}: ${tap}: ${rows} weight rows of one width and ${rows} biases expected for ${probes.labels.length} labels, got ${weight.length} and ${bias.length}; write the file again`,
      )
  }
  return probes
}

/**
 * The probe of a tap, and the place of a label.
 *
 * throws  UserError when the file has none for the tap, or several and none is named, or not the label
 */
export function probeFor(where: string, { probes, labels }: Probes, { tap, label }: ProbeChoice): { probe: Probe; place: number } {
  const taps = probes.map((one) => one.tap)
  const probe = tap === undefined && probes.length === 1 ? probes[0] : probes.find((one) => one.tap === tap)
  if (!probe)
    throw new UserError(`${where}: tap must be one of ${taps.join(', ')}, got ${tap ?? 'none'}; a probe reads one tap, so name it`)
  const place = labels.indexOf(label)
  if (place < 0) throw new UserError(`${where}: label must be one of ${labels.join(', ')}, got ${label}; name the one that is wanted`)
  return { probe, place }
}

export interface ProbeChoice {
  /** Which tap's probe; needless where the file has one. */
  readonly tap?: string
  /** The label whose odds are read. */
  readonly label: string
}

/** Scores of a vector, one for each row of weights. */
export function probeScores({ weight, bias }: Pick<Probe, 'weight' | 'bias'>, x: ArrayLike<number>): number[] {
  return weight.map((w, c) => w.reduce((sum, one, k) => sum + one * x[k]!, bias[c]!))
}

/** How much likelier a class is than the others by its scores, in log-odds where the scores are logits. */
export function oddsOf(scores: readonly number[], place: number): number {
  if (scores.length === 1) return place === 1 ? scores[0]! : -scores[0]!
  const others = scores.filter((_, c) => c !== place)
  const most = Math.max(...others)
  return scores[place]! - most - Math.log(others.reduce((sum, s) => sum + Math.exp(s - most), 0))
}

/**
 * What a probe says of each text, of one label against the others.
 *
 * units   log-odds of a logistic probe; the score of any other
 * throws  UserError when the probe is as wide as no such tap of this model
 */
export async function readProbe(
  { policy, tokenizer }: Reader,
  texts: readonly string[],
  { probe, place, pool }: { readonly probe: Probe; readonly place: number; readonly pool: Probes['pool'] },
  options: { readonly onBatch?: () => void } = {},
): Promise<number[]> {
  const ids = texts.map((text) => beginningIds(tokenizer, text).ids.slice(0, policy.config.contextLength))
  const { shape, data } = (await pooled(policy, ids, [probe.tap], pool, options))[probe.tap]!
  const width = shape[1]!
  if (width !== probe.weight[0]!.length)
    throw new UserError(
      `probe of ${probe.tap}: must be as wide as the tap, ${width}, got ${probe.weight[0]!.length}; it was fitted on another model`,
    )
  return texts.map((_, i) => oddsOf(probeScores(probe, data.subarray(i * width, (i + 1) * width)), place))
}

/** A model that reads texts. */
export interface Reader {
  readonly policy: Policy
  readonly tokenizer: Checkpoint['tokenizer']
}

/**
 * A probe as a goal: what it reads in the frozen reference model over prompt and completion, as finished text. The policy is not read, so that
 * it can not move its representation away from the probe; it can still write what the probe takes for the label.
 *
 * units   as readProbe
 * throws  UserError from its check and its readings, for a file or a choice that is wrong, or probes of another model or width
 * limits  a linear reading finds what goes together with the label on the texts it was fitted on: keep a gold measure beside it
 */
export function probeGoal(file: string, { name = 'probe', as = name, direction = 1, range, ...choice }: ProbeGoalOptions = {}): Goal {
  const path = beside(file)
  const opened = async ({ checkpoint }: ReadBy) => {
    const probes = await loadProbes(path)
    if (probes.model.sha256 !== checkpoint.hash)
      throw new UserError(
        `goal ${as}: ${file} must be of the recipe's model, got probes of ${probes.model.name} (${probes.model.sha256.slice(0, 8)}) for ${checkpoint.name} (${checkpoint.hash.slice(0, 8)}); fit them on this model`,
        { inRecipe: true },
      )
    return { ...chosenProbe(`goal ${as}`, probes, choice), pool: probes.pool }
  }
  let of: string | undefined
  const known = new Map<string, number>()
  const textOf = ({ prompt, text }: Sample) => prompt + text
  const measure = (sample: Sample) => {
    const value = known.get(textOf(sample))
    if (value === undefined) throw new UserError(`goal ${as}: must be read by a model before it is measured; call its read first`)
    return value
  }
  const made = goal(as, measure, {
    about: `what the probe of ${file} ${choice.label === undefined ? '' : `for ${choice.label} `}reads in the reference model`,
    direction,
    source: 'Alain and Bengio 2016, arXiv:1610.01644',
    params: { file, ...choice },
    ...(range ? { range } : {}),
  })
  return {
    ...made,
    async check(by) {
      await readProbe({ policy: by.policy, tokenizer: by.checkpoint.tokenizer }, ['a'], await opened(by))
    },
    async read(samples, by, onBatch) {
      const chosen = await opened(by)
      if (of !== by.checkpoint.hash) known.clear()
      of = by.checkpoint.hash
      const texts = [...new Set(samples.map(textOf))].filter((text) => !known.has(text))
      if (texts.length === 0) return
      const reader = { policy: by.policy, tokenizer: by.checkpoint.tokenizer }
      const values = await readProbe(reader, texts, chosen, onBatch ? { onBatch } : {})
      texts.forEach((text, i) => void known.set(text, values[i]!))
    },
  }
}

/** Where nothing is named: the probe that was most accurate on held-out texts, and of two labels the second. */
function chosenProbe(where: string, probes: Probes, { tap, label }: Partial<ProbeChoice>) {
  const [best] = probes.probes.toSorted((a, b) => b.accuracy - a.accuracy)
  const { labels } = probes
  if (label === undefined && labels.length !== 2)
    throw new UserError(`${where}: label must be one of ${labels.join(', ')}, got none; name the one that is wanted`)
  return probeFor(where, probes, { ...(best ? { tap: tap ?? best.tap } : {}), label: label ?? labels[1]! })
}

export interface ProbeGoalOptions extends Partial<ProbeChoice>, MadeOptions {
  /** What the goal is called, as `as`. Default `probe`. */
  readonly name?: string
}
