import { meanInterval } from '../accept/index.ts'
import { type Tensor, tensor, UserError } from '../graph/index.ts'
import type { Model } from '../policy/index.ts'
import { random } from '../random/index.ts'
import { readAnswers } from './contrast.ts'
import { logitDifferences, type MaskedRun } from './masked-runs.ts'
import { plainSentences } from './plain-sentences.ts'
import { valuesAt } from './values-at.ts'
import { draws, findingOf, type RandomWorth, type Worth } from './why-rule.ts'

/** A head, an MLP or a token of the text. */
export interface Part {
  readonly part: 'head' | 'mlp' | 'token'
  readonly layer?: number
  readonly head?: number
  readonly position?: number
}

/** A part with the share of the logit difference that is lost when it alone is ablated, and words for it. */
export interface WeighedPart extends Part {
  readonly effect: number
  readonly words: string
}

export interface WhyOptions {
  /** How many parts. Default 8. */
  readonly k?: number
  readonly seed?: number
  readonly onRuns?: (done: number, of: number) => void
  readonly signal?: AbortSignal
}

export interface Why {
  /** logit(answer) − logit(wrong) at the end of the text, nats. */
  readonly difference: number
  readonly parts: readonly WeighedPart[]
  /** Everything but the parts is ablated. */
  readonly kept: { readonly share: number; readonly difference: number }
  /** The parts alone are ablated. */
  readonly ablated: { readonly share: number; readonly difference: number }
  readonly random: RandomWorth
  readonly finding: 'explained' | 'cannot tell'
}

/**
 * Why one answer and not another: the k heads, MLPs and tokens whose ablation costs most of the logit difference, and what they are worth
 * together, beside random sets of as many of each. A part is ablated by the mean of what it does over plain sentences, at every position but
 * the first, which holds the begin token.
 *
 * throws  UserError for answers that are not one token each, for a text of one token, for a difference of nothing, and for k above the parts
 * limits  parts are weighed one by one, so two that stand in for each other look idle, and the finding is then *cannot tell*
 * source  mean ablation and completeness of circuits: Wang et al. 2022, arXiv:2211.00593
 */
export async function why(model: Model, text: string, said: { answer: string; wrong: string }, options: WhyOptions = {}): Promise<Why> {
  const { k = 8, seed = 0, onRuns, signal } = options
  const { answer, wrong } = readAnswers(model, text, said)
  const ids = model.ids(text)
  const all = partsOf(model, ids.length)
  if (ids.length < 2) throw new UserError(`text: must have at least 2 tokens, got ${ids.length}; give a longer one`)
  if (k > all.length) throw new UserError(`k: must be at most the ${all.length} parts of this text and model, got ${k}; ask for fewer`)
  const others = await ablations(model, ids.length)
  const total = all.length + 3 + 2 * draws
  let done = 0
  const differences = (sets: readonly (readonly Part[])[]) =>
    logitDifferences(model, {
      runs: sets.map((parts) => ({ tokens: ids, masks: masksOf(model, ids.length, parts) })),
      others,
      answers: [answer, wrong],
      onRuns: (runs) => onRuns?.((done += runs), total),
      ...(signal ? { signal } : {}),
    })

  const [whole, ...alone] = await differences([[], ...all.map((part) => [part])])
  if (!(Math.abs(whole!) > 1e-4))
    throw new UserError(`answers: must differ in their logits, got a difference of ${whole}; choose answers that the model tells apart`)
  const chosen = all
    .map((part, i) => ({ ...part, effect: 1 - alone[i]! / whole! }))
    .sort((a, b) => b.effect - a.effect)
    .slice(0, k)
  const sets = [chosen, ...randomSets(all, chosen, seed)]
  const rest = (parts: readonly Part[]) => all.filter((part) => !parts.some((one) => same(one, part)))
  const metrics = await differences(sets.flatMap((parts) => [rest(parts), parts]))
  const worth = sets.map((_, i): Worth => ({ kept: metrics[2 * i]! / whole!, lost: 1 - metrics[2 * i + 1]! / whole! }))
  const [ours, ...theirs] = worth as [Worth, ...Worth[]]
  const interval = (name: 'kept' | 'lost') => meanInterval(name, theirs.map((one) => one[name]), 'share') // biome-ignore format: one line
  return {
    difference: whole!,
    parts: await inWords(model, ids, chosen),
    kept: { share: ours.kept, difference: metrics[0]! },
    ablated: { share: ours.lost, difference: metrics[1]! },
    random: { kept: interval('kept'), lost: interval('lost') },
    finding: findingOf(ours, theirs),
  }
}

/** Every head, MLP and token but the first. */
function partsOf({ config }: Model, length: number): Part[] {
  const layers = Array.from({ length: config.layers }, (_, layer) => layer)
  return [
    ...layers.flatMap((layer) => Array.from({ length: config.heads }, (_, head): Part => ({ part: 'head', layer, head }))),
    ...layers.map((layer): Part => ({ part: 'mlp', layer })),
    ...Array.from({ length: length - 1 }, (_, i): Part => ({ part: 'token', position: i + 1 })),
  ]
}

function same(a: Part, b: Part): boolean {
  return a.part === b.part && a.layer === b.layer && a.head === b.head && a.position === b.position
}

function tapOfPart({ part, layer }: Part): string {
  return { head: `blocks.${layer}.attn.z`, mlp: `blocks.${layer}.mlp.out`, token: 'embed' }[part]
}

/** Masks that are 1 where parts act, but never at the first position. */
function masksOf({ config }: Model, length: number, parts: readonly Part[]): MaskedRun['masks'] {
  const masks: Record<string, Float32Array> = {}
  for (const one of parts) {
    const { part, head = 0, position } = one
    const mask = (masks[tapOfPart(one)] ??= new Float32Array(part === 'head' ? config.heads * length : length))
    if (position === undefined) mask.fill(1, head * length + 1, (head + 1) * length)
    else mask[position] = 1
  }
  return masks
}

/** What takes the place of a value: its mean over the tokens of plain sentences, the first of each left out. */
async function ablations(model: Model, length: number): Promise<Record<string, Tensor>> {
  const { layers } = model.config
  const taps = ['embed', ...Array.from({ length: layers }, (_, l) => [`blocks.${l}.attn.z`, `blocks.${l}.mlp.out`]).flat()]
  const sums: Record<string, { readonly shape: readonly number[]; readonly sum: Float64Array }> = {}
  let tokens = 0
  for (const sentence of plainSentences) {
    const ids = model.ids(sentence).slice(0, model.config.contextLength)
    tokens += ids.length - 1
    for (const [tap, { shape, data }] of Object.entries(await valuesAt(model, ids, taps))) {
      const [T, width] = shape.slice(-2) as [number, number]
      const heads = shape.length === 3 ? shape[0]! : 1
      const { sum } = (sums[tap] ??= { shape: shape.toSpliced(-2, 1), sum: new Float64Array(heads * width) })
      for (let h = 0; h < heads; h++)
        for (let t = 1; t < T; t++) for (let c = 0; c < width; c++) sum[h * width + c]! += data[(h * T + t) * width + c]!
    }
  }
  return Object.fromEntries(
    Object.entries(sums).map(([tap, { shape, sum }]) => {
      const width = shape.at(-1)!
      const heads = sum.length / width
      const all = new Float32Array(heads * length * width)
      for (let i = 0; i < all.length; i++) all[i] = sum[Math.floor(i / (length * width)) * width + (i % width)]! / tokens
      return [tap, tensor(all, [...shape.slice(0, -1), length, width])]
    }),
  )
}

/** Sets of as many heads, MLPs and tokens, drawn from all there are. */
function randomSets(all: readonly Part[], chosen: readonly Part[], seed: number): Part[][] {
  const kinds = ['head', 'mlp', 'token'] as const
  return Array.from({ length: draws }, (_, draw) =>
    kinds.flatMap((kind) => {
      const count = chosen.filter(({ part }) => part === kind).length
      const among = all.filter(({ part }) => part === kind)
      return random(seed, `why ${kind} ${draw}`).shuffled(among).slice(0, count)
    }),
  )
}

/** Parts with words: a head with the token that it reads most from the last one. */
async function inWords(model: Model, ids: readonly number[], parts: readonly (Part & { effect: number })[]): Promise<WeighedPart[]> {
  const taps = [...new Set(parts.flatMap(({ part, layer }) => (part === 'head' ? [`blocks.${layer}.attn.pattern`] : [])))]
  const patterns = taps.length > 0 ? await valuesAt(model, ids, taps) : {}
  const pieces = model.tokenizer.pieces([...ids])
  const T = ids.length
  return parts.map((one) => {
    const { part, layer, head, position } = one
    if (part === 'token') return { ...one, words: `the token ${pieces[position!]} at ${position}` }
    if (part === 'mlp') return { ...one, words: `the MLP of block ${layer}` }
    const row = Array.from(patterns[`blocks.${layer}.attn.pattern`]!.data.slice((head! * T + T - 1) * T, (head! + 1) * T * T))
    const most = row.reduce((best, share, i) => (share > row[best]! ? i : best), 0)
    return {
      ...one,
      words: `head ${head} of block ${layer}, which reads ${pieces[most]} at ${most} (${row[most]!.toFixed(2)}) from the last token`,
    }
  })
}
