import { checkEdit } from '../checkpoints/check-edit.ts'
import { type EditFile, isOfWeights } from '../checkpoints/edit-file.ts'
import type { Checkpoint } from '../checkpoints/index.ts'
import { logSumExp, type Tensor, UserError } from '../graph/index.ts'
import type { DecoderConfig } from '../models/config.ts'
import { logits } from '../models/head.ts'
import type { Completion, Sampling } from '../models/sampling.ts'
import { tapsNamed } from '../models/taps.ts'
import { beginningIds } from '../text/index.ts'
import { driftOf } from './drift.ts'
import { type Edit, type EditOptions, edited } from './edit.ts'
import { underFiles } from './edit-file.ts'
import { gradientSee, type Metric } from './metric.ts'
import type { See } from './over.ts'
import type { Policy } from './policy.ts'
import { readRow } from './read-row.ts'
import { reader } from './reader.ts'
import { sampleCompletions } from './sample.ts'

/** Taps to read, by names of one's own: the name of one tap, or a pattern or list of several. */
export type Wanted = Readonly<Record<string, string>>

/** What was read: one tensor for the name of one tap, tensors by tap for a pattern (`*`) or a list (`,`). */
export type Taken<W extends Wanted> = {
  readonly [K in keyof W]: W[K] extends `${string}*${string}` | `${string},${string}` ? Readonly<Record<string, Tensor>> : Tensor
}

/** What is known of a model besides its numbers. */
export type ModelFacts = Omit<Checkpoint, 'params'>

/** How a text is gone on with; see Sampling. */
export type GenerateOptions = Partial<Omit<Sampling, 'eosIds' | 'tokenizer' | 'perPrompt' | 'batch' | 'onCompletion'>>

/** What a model said after a text. */
export interface Generated extends Completion {
  readonly text: string
}

/** How far a value inside moved: the mean over texts, and each text. */
export interface Moved {
  readonly tap: string
  readonly moved: number
  readonly perText: readonly number[]
}

/** A model that is open to be read and edited. */
export interface Model extends ModelFacts {
  /** What everything else of the library takes. */
  readonly policy: Policy
  /** Ids that a text is read as: the tokenizer's own beginning once, also where the text writes it, and never its end. */
  ids(text: string): readonly number[]
  /** The vocabulary's pieces of those ids. */
  pieces(text: string): string[]
  /**
   * Values inside the model as it reads a text, edits included.
   *
   * shape   without the axis of rows: the residual stream f32[tokens, d], heads f32[heads, tokens, …], patterns f32[heads, tokens, keys]
   * throws  UserError for a tap that the model does not have (docs/taps.md has all), and for a text longer than the context
   */
  read<const W extends Wanted>(text: string, taps: W): Promise<Taken<W>>
  read<const W extends Wanted>(texts: readonly string[], taps: W): Promise<Taken<W>[]>
  /**
   * The gradient of a metric of the logits with respect to values inside, edits included, shaped like them. Define a metric once: programs are
   * kept by it.
   *
   * throws  UserError as read; ShapeError for a metric that is no single number, or that does not read a tap
   */
  gradient<const W extends Wanted>(text: string, metric: Metric, taps: W): Promise<Taken<W>>
  /** Log-probability of every next token after each token of a text, f32[tokens, V], nats. */
  logprobs(text: string): Promise<Tensor>
  /** What the model says after a text, sampled as its generation_config.json says where no option does; the seed is 0 when left out. */
  generate(text: string, options?: GenerateOptions): Promise<Generated>
  /**
   * How far another model is from this one inside, as both read texts: this is what training or an edit changed. The largest is last where
   * changes grow from block to block, so look at `attn.out` and `mlp.out` for where they are made.
   *
   * units   of each text the mean over its tokens of ‖other − this‖ / ‖this‖
   * throws  UserError for a tap or an id that one of them does not have, and for other widths
   */
  compare(other: Model, texts: readonly string[], taps?: string): Promise<Moved[]>
  /** The same model as another function; it shares the parameters, and is closed with the model it is of. */
  with(edit: Edit, options?: EditOptions): Model
  /**
   * The same model under what an edit, read or just made, does to activations.
   *
   * throws  UserError for an edit of another model, and for one that changes weights: `openModel('M', { edit: FILE })` takes those
   */
  with(edit: EditFile): Model
  /** Frees everything. */
  close(): Promise<void>
}

/** A policy with what is known of its model as a model to read and edit. */
export function modelOf(policy: Policy, facts: ModelFacts, close: () => Promise<void>): Model {
  const { config } = policy
  const { tokenizer, eosIds, sampling } = facts
  const ids = (text: string) => beginningIds(tokenizer, text).ids

  async function run(text: string, see: See): Promise<Record<string, Tensor>> {
    const read = ids(text)
    const most = config.contextLength
    if (read.length === 0 || read.length > most)
      throw new UserError(
        `read: a text must have 1 to ${most} tokens, got ${read.length}; ${read.length === 0 ? 'give some' : 'shorten it'}`,
      )
    return readRow(policy, read, see)
  }

  async function readOne<W extends Wanted>(text: string, wanted: W, see = reader): Promise<Taken<W>> {
    const names = Object.entries(wanted).map(([key, patterns]) => [key, tapsNamed(`read: ${key}`, patterns, config)] as const)
    const values = await run(text, see([...new Set(names.flatMap(([, taps]) => taps))]))
    const several = (key: string) => /[*,]/.test(wanted[key]!)
    return Object.fromEntries(
      names.map(([key, taps]) => [key, several(key) ? Object.fromEntries(taps.map((tap) => [tap, values[tap]!])) : values[taps[0]!]!]),
    ) as Taken<W>
  }

  async function read(text: string | readonly string[], wanted: Wanted): Promise<unknown> {
    if (typeof text === 'string') return readOne(text, wanted)
    const all: Taken<Wanted>[] = []
    for (const one of text) all.push(await readOne(one, wanted))
    return all
  }

  function underFile(edit: EditFile): Policy {
    checkEdit(edit, { name: facts.name, config, hashes: [facts.hash] })
    if (edit.acts.some(isOfWeights))
      throw new UserError(
        `${edit.name}: with must be given an edit of activations, got one of weights; write it, and open the model with { edit: FILE }`,
      )
    return underFiles(policy, [edit])
  }

  return {
    ...facts,
    config,
    policy,
    ids,
    pieces: (text) => tokenizer.pieces(ids(text)),
    read: read as Model['read'],
    gradient: (text, metric, wanted) => readOne(text, wanted, (taps) => gradientSee(config, metric, taps)),
    logprobs: async (text) => (await run(text, distribution(config))).logprobs!,
    async generate(text, options = {}) {
      const [[said]] = (await sampleCompletions(policy, [ids(text)], { seed: 0, ...sampling, ...options, eosIds, tokenizer })) as [
        [Completion],
      ]
      return { ...said, text: said.text! }
    },
    async compare(other, texts, patterns = 'blocks.*.attn.out,blocks.*.mlp.out,blocks.*.out') {
      if (texts.length === 0) throw new UserError('compare: must read one text or more, got none; give some')
      const taps = tapsNamed('compare', patterns, config)
      tapsNamed('compare', taps, other.config)
      const drift = await driftOf(policy, other.policy, texts.map(ids), taps)
      return taps.map((tap) => ({ tap, moved: mean(drift[tap]!), perText: drift[tap]! }))
    },
    with: (edit: Edit | EditFile, options?: EditOptions) =>
      modelOf(typeof edit === 'function' ? edited(policy, edit, options) : underFile(edit), facts, async () => {}),
    close,
  }
}

function distribution(config: DecoderConfig): See {
  const known =
    distributions.get(config) ??
    (({ params, tap }) => {
      const scores = logits(params, tap('final'), config)
      return { logprobs: scores.sub(logSumExp(scores)) }
    })
  distributions.set(config, known)
  return known
}
const distributions = new WeakMap<DecoderConfig, See>()

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, x) => sum + x, 0) / numbers.length
}
