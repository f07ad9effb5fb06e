import {
  argMax,
  exp,
  gradient,
  linear,
  logSumExp,
  reshape,
  sizeOf,
  slice,
  stopGradient,
  sum,
  takeRows,
  transpose,
  type Value,
} from '../../graph/index.ts'
import { capped } from '../../models/capped.ts'
import type { DecoderConfig } from '../../models/config.ts'
import { logits } from '../../models/head.ts'
import { byPath } from '../../models/params.ts'
import { kept, type See, type Seen } from '../../policy/index.ts'
import { kl } from '../kl.ts'

/** What a see is made for: the sites whose slopes are wanted, none where texts are only measured. */
export interface Looked {
  readonly config: DecoderConfig
  readonly over: 'weights' | 'activations'
  /** Names of sites. */
  readonly slopes: readonly string[]
}

/**
 * The negative log-probability of tokens, weighed, and how far the likeliest tokens are above them.
 *
 * shape   fed: `next` and `weights` f32[texts, T]; `loss` f32[1], or by text `loss` and `gap` f32[texts]
 * units   nats
 */
export function completionLoss(looked: Looked): See {
  return kept(`search-completion-${keyOf(looked)}`, () => (seen) => {
    const { tap, params, input, tokens } = seen
    const [R, T] = tokens.shape as [number, number]
    const x = tap('final')
    const scores = logits(params, x, looked.config)
    const next = rowOf(seen, input('next', [R, T], 'i32'))
    const said = capped(sum(x.mul(takeRows(params.head ?? params.embed, next)), [-1]), looked.config.logitCap)
    const weights = rowOf(seen, input('weights', [R, T]))
    const nll = reshape(logSumExp(scores), [R, T])
      .sub(reshape(said, [R, T]))
      .mul(weights)
    if (looked.slopes.length > 0) return slopesOf(looked, seen, sum(nll))
    const highest = takeRows(reshape(scores, [sizeOf(scores.shape)]), argMax(scores))
    return byText(seen, {
      loss: nll,
      gap: reshape(highest, [R, T])
        .sub(reshape(said, [R, T]))
        .mul(weights),
    })
  })
}

/**
 * KL(other ‖ this) of next-token distributions, weighed; the other's come from what its head reads and its head.
 *
 * shape   fed: `states` f32[texts, T·d], `weights` f32[texts, T], `head` f32[V, d]; `loss` f32[1], or by text f32[texts]
 * units   nats
 */
export function klLoss(looked: Looked, other: Pick<DecoderConfig, 'hiddenSize' | 'logitCap'>): See {
  return kept(`search-kl-${keyOf(looked)}-${other.hiddenSize}-${other.logitCap}`, () => (seen) => {
    const { tap, params, input, tokens } = seen
    const [R, T] = tokens.shape as [number, number]
    const d = other.hiddenSize
    const states = reshape(rowOf(seen, input('states', [R, T * d])), [R, T, d])
    const there = capped(linear(states, input('head', [looked.config.vocabSize, d])), other.logitCap)
    const each = reshape(kl(there, logits(params, tap('final'), looked.config)), [R, T]).mul(rowOf(seen, input('weights', [R, T])))
    return looked.slopes.length > 0 ? slopesOf(looked, seen, sum(each)) : byText(seen, { loss: each })
  })
}

/**
 * S·Sᵀ and Sᵀ·S of slopes S of a number that is drawn so that their second moment is the Fisher information of the predictions: Σ_t a_t·⟨w_t, scores_t⟩ with
 * w = √p∘b − p·⟨√p, b⟩, held as it is, p the model's own next-token distribution, and even signs a and b, since E[w·wᵀ] = diag(p) − p·pᵀ.
 *
 * shape   fed: `weights` f32[texts, T], the signs a over √tokens; `signs` b f32[V]; of each site f32[m, n] `….left` f32[m, m] and `….right` f32[n, n]
 * source  Martens and Grosse 2015, arXiv:1503.05671, with a drawn factor of diag(p) − p·pᵀ in place of drawn labels
 */
export function fisherMoments(looked: Looked): See {
  return kept(`search-moments-${keyOf(looked)}`, () => (seen) => {
    const { tap, params, input, tokens } = seen
    const [R, T] = tokens.shape as [number, number]
    const scores = logits(params, tap('final'), looked.config)
    const logps = scores.sub(logSumExp(scores))
    const drawn = exp(logps.mul(0.5)).mul(input('signs', [looked.config.vocabSize]))
    const along = stopGradient(drawn.sub(exp(logps).mul(sum(drawn, [-1]))))
    const each = reshape(sum(scores.mul(along), [-1]), [R, T])
    const { loss: _, ...slopes } = slopesOf(looked, seen, sum(each.mul(rowOf(seen, input('weights', [R, T])))))
    const moments = Object.entries(slopes).map(([name, x]) => [
      [`${name}.left`, linear(x, x)] as const,
      [`${name}.right`, linear(transpose(x), transpose(x))] as const,
    ])
    return Object.fromEntries(moments.flat())
  })
}

/** By how much one token's score is above another's, weighed: f32[1] with its slopes. */
export function scoreGap(looked: Looked): See {
  return kept(`search-gap-${keyOf(looked)}`, () => (seen) => {
    const { tap, params, input, tokens } = seen
    const [R, T] = tokens.shape as [number, number]
    const x = tap('final')
    const score = (name: string) => reshape(capped(sum(x.mul(takeRows(params.head ?? params.embed, rowOf(seen, input(name, [R, T], 'i32')))), [-1]), looked.config.logitCap), [R, T]) // biome-ignore format: one line
    return slopesOf(
      looked,
      seen,
      sum(
        score('rival')
          .sub(score('next'))
          .mul(rowOf(seen, input('weights', [R, T]))),
      ),
    )
  })
}

function keyOf({ config, over, slopes }: Looked): string {
  return `${slopes.join()}-${over}-${config.vocabSize}-${config.contextLength}-${config.logitCap}`
}

/** Of a table with a row for each text, that of the text in each row. */
function rowOf({ text, tokens }: Pick<Seen, 'text' | 'tokens'>, table: Value): Value {
  return takeRows(table, reshape(slice(text, 1, 0, 1), [tokens.shape[0]!]))
}

function slopesOf({ config, over, slopes }: Looked, { params, tap, input, positions }: Seen, loss: Value): Record<string, Value> {
  const all = byPath(params)
  const found = gradient(loss, Object.fromEntries(slopes.map((name) => [name, over === 'weights' ? all[name]! : tap(name)])))
  // A vector that is added to several tokens moves all of them.
  const summed = (x: Value) => sum(x.mul(takeRows(input('where', [config.contextLength, 1]), positions)), [0, 1])
  const whole = Object.entries(found).map(([name, x]) => [name, over === 'weights' ? x! : summed(x!)] as const)
  return { loss: reshape(loss, [1]), ...Object.fromEntries(whole) }
}

function byText({ perTree, tokens }: Seen, values: Record<string, Value>): Record<string, Value> {
  const [R, T] = tokens.shape as [number, number]
  return Object.fromEntries(Object.entries(values).map(([name, x]) => [name, perTree(reshape(x, [R, T, 1]))]))
}
