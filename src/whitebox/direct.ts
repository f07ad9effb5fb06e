import { linear, matmul, mean, reshape, slice, sum, takeRows, tensor, transpose, type Value } from '../graph/index.ts'
import { capped } from '../models/capped.ts'
import type { DecoderConfig } from '../models/index.ts'
import { type Model, over, type See, type Seen } from '../policy/index.ts'
import { readAnswers } from './contrast.ts'
import type { Law, Method } from './method.ts'

/** What one part of a model adds to the difference of two logits. */
export interface DirectPart {
  /** `attn bias` is what attention adds besides its heads; `logit cap` what a cap takes from the difference; `edits` what edits add to the stream. */
  readonly part: 'embed' | 'head' | 'attn bias' | 'mlp' | 'norm bias' | 'logit cap' | 'edits'
  readonly layer?: number
  readonly head?: number
  /** Nats; the parts add up to the difference. */
  readonly logit: number
}

export interface DirectAttribution {
  /** logit(answer) − logit(wrong) after the last token, nats. */
  readonly difference: number
  readonly parts: readonly DirectPart[]
}

/** A text in words with two answers, or in tokens. */
export interface DirectQuestion {
  readonly text: string | readonly number[]
  readonly answer: string | number
  readonly wrong: string | number
}

/**
 * Direct logit attribution: what the embedding, every head and every MLP add to logit(answer) − logit(wrong) after the last token of a text,
 * with what norms divide by held as it is. Every part is linear then, norms after attention included, so the parts add up to the difference.
 *
 * throws  UserError for an answer that is not one token after the text
 * limits  what a part does through later parts is not in it; that is what patch measures
 * source  Elhage et al. 2021, A Mathematical Framework for Transformer Circuits; nostalgebraist 2020
 */
export async function directAttribution(model: Model, { text, answer, wrong }: DirectQuestion): Promise<DirectAttribution> {
  const { config, policy } = model
  const ids = typeof text === 'string' ? model.ids(text) : text
  const asked =
    typeof answer === 'string' || typeof wrong === 'string'
      ? readAnswers(model, String(text), { answer: String(answer), wrong: String(wrong) })
      : { answer, wrong }
  const answers = tensor(Int32Array.of(asked.answer, asked.wrong), [2])
  const packing = { lengths: [ids.length], tokenBudget: ids.length, wantedMultiple: 1 }
  const feeds = () => ({ answers })
  const found = await over(policy, [{ prompt: ids, completions: [] }], partsOf(config), { per: 'last', packing, feeds })
  const one = (name: string) => found[name]!.data[0]!
  const changed = policy.edits !== undefined || policy.adapters !== undefined
  const parts: DirectPart[] = [{ part: 'embed', logit: one('embed') }]
  for (let layer = 0; layer < config.layers; layer++) {
    const heads = Array.from(found[`heads ${layer}`]!.data.subarray(0, config.heads))
    parts.push(...heads.map((logit, head): DirectPart => ({ part: 'head', layer, head, logit })))
    if (config.biases?.includes('o') || changed)
      parts.push({ part: 'attn bias', layer, logit: one(`attn ${layer}`) - heads.reduce((total, x) => total + x, 0) })
    parts.push({ part: 'mlp', layer, logit: one(`mlp ${layer}`) })
  }
  if (config.norm === 'layer') parts.push({ part: 'norm bias', logit: one('bias') })
  if (changed) parts.push({ part: 'edits', logit: one('plain') - sumOf(parts) })
  if (config.logitCap !== undefined) parts.push({ part: 'logit cap', logit: one('difference') - one('plain') })
  return { difference: one('difference'), parts }
}

/** What parts add up to, nats. */
export function sumOf(parts: readonly DirectPart[]): number {
  return parts.reduce((total, { logit }) => total + logit, 0)
}

/** What each part adds after every token, f32[R, T, 1], of heads f32[R, T, heads]. */
function partsOf(config: DecoderConfig): See {
  const directParts: See = (seen) => {
    const { tap, params, input } = seen
    const rows = takeRows(params.head ?? params.embed, input('answers', [2], 'i32'))
    const difference = (of: Value) => slice(of, 2, 0, 1).sub(slice(of, 2, 1, 2))
    const [d] = params.norm.shape as [number]
    const towards = reshape(slice(rows, 0, 0, 1).sub(slice(rows, 0, 1, 2)), [d])
    const final = tap('final')
    const plain = linear(final, rows)
    const reads = backThrough(towards, params.norm, tap('norm.scale'), config)
    const along = (x: Value) => sum(x.mul(reads), [-1])
    const blocks = params.blocks.flatMap((_, layer): [string, Value][] => [
      [`heads ${layer}`, headsAlong(seen, reads, layer, config)],
      [`attn ${layer}`, along(tap(`blocks.${layer}.attn.out`))],
      [`mlp ${layer}`, along(tap(`blocks.${layer}.mlp.out`))],
    ])
    const bias = params.normBias && sum(towards.mul(params.normBias)).add(final.mul(0))
    return {
      embed: along(tap('embed')),
      ...Object.fromEntries(blocks),
      ...(bias ? { bias } : {}),
      plain: difference(plain),
      difference: difference(capped(plain, config.logitCap)),
    }
  }
  const known = sees.get(config) ?? directParts
  sees.set(config, known)
  return known
}
const sees = new WeakMap<DecoderConfig, See>()

/** What each head of a block adds along a direction that is read. shape reads f32[R, T, d] → f32[R, T, heads] */
function headsAlong({ tap, params }: Seen, reads: Value, layer: number, config: DecoderConfig): Value {
  const { attn, attnPostNorm } = params.blocks[layer]!
  const written = attnPostNorm ? backThrough(reads, attnPostNorm, tap(`blocks.${layer}.attnPostNorm.scale`), config) : reads
  const z = transpose(tap(`blocks.${layer}.attn.z`), [0, 2, 1, 3])
  return sum(z.mul(reshape(matmul(written, attn.o), z.shape)), [-1])
}

/** A direction behind a norm as the one before it, with what the norm divides by held: ⟨norm(x), y⟩ = ⟨x, result⟩ + ⟨bias, y⟩. */
function backThrough(y: Value, weight: Value, scale: Value, { norm }: DecoderConfig): Value {
  const scaled = y.mul(norm === 'rmsPlusOne' ? weight.add(1) : weight).div(scale)
  return norm === 'layer' ? scaled.sub(mean(scaled, [-1])) : scaled
}

/** Direct logit attribution, with what must hold of it. */
export const directMethod: Method = {
  name: 'direct logit attribution',
  about: 'What the embedding, every head and every MLP add to the difference of two logits; the parts add up to it.',
  source: 'Elhage et al. 2021, A Mathematical Framework for Transformer Circuits',

  async laws(model): Promise<Law[]> {
    const text = model.ids('Once upon a time there was')
    const [answer, wrong] = [5 % model.config.vocabSize, 11 % model.config.vocabSize]
    const { difference, parts } = await directAttribution(model, { text, answer, wrong })
    const turned = await directAttribution(model, { text, answer: wrong, wrong: answer })
    const logps = await model.logprobs('Once upon a time there was')
    const last = (text.length - 1) * model.config.vocabSize
    const own = logps.data[last + answer]! - logps.data[last + wrong]!
    // A head whose values are nothing adds nothing, and the rest still adds up.
    const without = await directAttribution(
      model.with((_, x) => x.mul(0), { at: 'blocks.0.attn.z' }),
      { text, answer, wrong },
    )
    const silent = without.parts.filter(({ part, layer }) => part === 'head' && layer === 0)
    return [
      { law: 'the difference is that of the model’s own output', seen: difference, wanted: own, within: 1e-4 },
      { law: 'the parts add up to the difference', seen: sumOf(parts), wanted: difference, within: 1e-4 },
      { law: 'the answers exchanged turn the sign', seen: sumOf(turned.parts), wanted: -sumOf(parts), within: 1e-5 },
      { law: 'heads without values add nothing', seen: Math.max(...silent.map(({ logit }) => Math.abs(logit))), wanted: 0, within: 0 },
      {
        law: 'with them silent, edits add nothing to what the parts explain',
        seen: without.parts.find(({ part }) => part === 'edits')!.logit,
        wanted: 0,
        within: 1e-4,
      },
    ]
  },
}
