import { concat, constant, reshape, slice, type Tensor, table, takeRows, tensor, transpose, UserError, type Value } from '../graph/index.ts'
import { type OverOptions, over, type See } from './over.ts'
import type { Policy } from './policy.ts'
import { kept } from './reader.ts'

/** Which tokens of a text stand for it: its last one, or the mean of all. */
export type Pool = 'last' | 'mean'

/**
 * One vector for each text and tap: the value at the text's last token, or the mean over its tokens; heads side by side.
 *
 * shape   texts of ids → by tap f32[texts, width]
 * throws  UserError for a text without tokens or beyond the context, and for a tap that holds no value for each token
 */
export async function pooled(
  policy: Policy,
  texts: readonly (readonly number[])[],
  taps: readonly string[],
  pool: Pool,
  options: Pick<OverOptions, 'onBatch' | 'signal'> = {},
): Promise<Record<string, Tensor>> {
  const { contextLength } = policy.config
  const wrong = texts.findIndex((ids) => ids.length === 0 || ids.length > contextLength)
  if (wrong >= 0)
    throw new UserError(
      `text ${wrong + 1}: must have 1 to ${contextLength} tokens, got ${texts[wrong]!.length}; ${texts[wrong]!.length === 0 ? 'give some' : 'shorten it'}`,
    )
  const without = taps.find((tap) => /\.(scores|pattern)$/.test(tap))
  if (without !== undefined)
    throw new UserError(`tap ${without}: must hold one vector for each token, got one number for each pair of tokens; read it by itself`)
  const trees = texts.map((ids) => ({ prompt: ids, completions: [] }))
  const found = await over(
    policy,
    trees,
    kept(`${pool} ${contextLength} of ${taps.join()}`, () => seeing(taps, pool, contextLength)),
    { ...options, per: 'tree' },
  )
  return Object.fromEntries(
    taps.map((tap) => {
      const { shape, data } = found[tap]!
      const width = data.length / shape[0]!
      const flat = Float32Array.from(data)
      if (pool === 'mean')
        texts.forEach(({ length }, i) => {
          for (let k = i * width; k < (i + 1) * width; k++) flat[k]! /= length
        })
      return [tap, tensor(flat, [shape[0]!, width])] as const
    }),
  )
}

function seeing(taps: readonly string[], pool: Pool, contextLength: number): See {
  return ({ tap, perTree, real, positions }) => {
    const marks = pool === 'last' ? real.mul(endsBefore(positions, contextLength)) : real
    return Object.fromEntries(
      taps.map((name) => {
        const value = tap(name)
        const byToken = value.shape.length === 4 ? transpose(value, [0, 2, 1, 3]) : value
        const [R, T, ...rest] = byToken.shape
        return [name, perTree(byToken.mul(reshape(marks, [R!, T!, ...rest.map(() => 1)])))]
      }),
    )
  }
}

/** 1 at a place where the next one begins a text, is padding, or is not there. */
function endsBefore(positions: Value, contextLength: number): Value {
  const [R, T] = positions.shape as [number, number]
  const first = table(
    tensor(
      Float32Array.from({ length: contextLength }, (_, i) => Number(i === 0)),
      [contextLength],
    ),
  )
  return concat([slice(takeRows(first, positions), 1, 1, T), constant(1, [R, 1])], 1)
}
