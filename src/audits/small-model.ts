import { isTensor, mapNested, type Tensor } from '../graph/index.ts'
import { type DecoderConfig, type DecoderParams, freshParams } from '../models/index.ts'
import type { Example } from '../objectives/index.ts'
import { random } from '../random/index.ts'

/** The smallest language model that has every part: two blocks with grouped heads, about 5,000 parameters. */
export const smallConfig: DecoderConfig = {
  ...{ family: 'llama', vocabSize: 48, hiddenSize: 16, layers: 2, heads: 2, kvHeads: 1, headDim: 8, intermediateSize: 24 },
  ...{ normEps: 1e-5, contextLength: 64, tied: true, ropeTheta: 1e4 },
}

/** Its parameters from a seed: eight times as large as one would begin with, so that nothing in it is nearly linear. */
export function smallModel(seed: number): { readonly config: DecoderConfig; readonly params: DecoderParams<Tensor> } {
  const fresh = freshParams(smallConfig, seed)
  const large = (one: Tensor) => (one.shape.length === 1 ? one : { ...one, data: Float32Array.from(one.data, (x) => 8 * x) })
  return { config: smallConfig, params: mapNested<Tensor, Tensor>(fresh, isTensor, large) as DecoderParams<Tensor> }
}

/** Pairs for it: prompts of 3 to 6 tokens; the chosen completion rises through the vocabulary more often than the rejected one. */
export function smallPairs(seed: number, count: number): Example[] {
  const source = random(seed, 'small pairs')
  const token = (i: number, k: number) => Math.floor(48 * source.uniform(i, k))
  return Array.from({ length: count }, (_, i) => {
    const prompt = Array.from({ length: 3 + (token(i, 0) % 4) }, (_, k) => token(i, 1 + k))
    const side = (rise: number, at: number) =>
      Array.from({ length: 4 }, (_, k) => (source.uniform(i, at + k) < rise ? (prompt.at(-1)! + k + 1) % 48 : token(i, at + 10 + k)))
    return { tree: { prompt, completions: [side(0.8, 20), side(0.2, 40)] }, label: 1, reference: [] }
  })
}
