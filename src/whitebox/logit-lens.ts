import type { DecoderConfig } from '../models/index.ts'
import { type Lens, lensLogps } from './lens.ts'
import { apart, type Method } from './method.ts'

/** The lens that reads every residual stream as if it were the last one. */
export function logitLens({ layers }: Pick<DecoderConfig, 'layers'>): Lens {
  return { kind: 'logit', maps: Array.from({ length: layers }, () => ({})) }
}

/** The logit lens, with what must hold of it. */
export const logitLensMethod: Method = {
  name: 'logit lens',
  about: 'The next token that the residual stream after each block reads as, with the last norm and the head: softmax(W_U · norm(h)).',
  source: 'nostalgebraist 2020, "interpreting GPT: the logit lens", LessWrong',

  async laws(model) {
    const text = 'Once upon a time there was'
    const last = `blocks.${model.config.layers - 1}.out`
    const { stream } = await model.read(text, { stream: last })
    const read = Float32Array.from((await lensLogps(model.policy, stream)).data)
    const final = await model.logprobs(text)
    const V = model.config.vocabSize
    const mass = read.slice(0, V).reduce((sum, logp) => sum + Math.exp(logp), 0)
    return [
      { law: 'after the last block it is the model’s own output', seen: apart(read, final.data), wanted: 0, within: 1e-4 },
      { law: 'probabilities add up to 1', seen: mass, wanted: 1, within: 1e-4 },
    ]
  },
}
