import { argMax, gradient, linear, logSumExp, reshape, sizeOf, slice, sum, takeRows, type Value } from '../../graph/index.ts'
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
  return kept(`search completion ${keyOf(looked)}`, () => (seen) => {
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
  return kept(`search kl ${other.hiddenSize} ${other.logitCap} ${keyOf(looked)}`, () => (seen) => {
    const { tap, params, input, tokens } = seen
    const [R, T] = tokens.shape as [number, number]
    const d = other.hiddenSize
    const states = reshape(rowOf(seen, input('states', [R, T * d])), [R, T, d])
    const there = capped(linear(states, input('head', [looked.config.vocabSize, d])), other.logitCap)
    const each = reshape(kl(there, logits(params, tap('final'), looked.config)), [R, T]).mul(rowOf(seen, input('weights', [R, T])))
    return looked.slopes.length > 0 ? slopesOf(looked, seen, sum(each)) : byText(seen, { loss: each })
  })
}

/** By how much one token's score is above another's, weighed: f32[1] with its slopes. */
export function scoreGap(looked: Looked): See {
  return kept(`search gap ${keyOf(looked)}`, () => (seen) => {
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
  return `${config.vocabSize} ${config.contextLength} ${config.logitCap} ${over} ${slopes.join()}`
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
