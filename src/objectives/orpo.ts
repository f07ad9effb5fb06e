import { exp, input, log, logSigmoid, maximum, tensor, type Value } from '../graph/index.ts'
import type { Example, Kind } from './objective.ts'
import { betterTokens, pairs, preferenceLoss } from './pairs.ts'
import { points } from './points.ts'
import type { Side } from './side.ts'

/** Pairs whose prompts are learned too: each side is said from the prompt's first token on. */
export const withPrompts: Kind = {
  ...pairs,
  alone: true,
  treeOf: ({ tree: { prompt, completions } }) => ({
    prompt: prompt.slice(0, 1),
    completions: completions.map((ids) => [...prompt.slice(1), ...ids]),
  }),
  inputs: (size) => ({ ...pairs.inputs(size), answers: input('answers', [size.tokens]), textShare: input('textShare', []) }),
  given(examples, size, asked, step) {
    const answers = new Float32Array(size.tokens)
    answers.set(examples.flatMap(({ tree }) => tree.completions.flatMap((ids) => [...tree.prompt.slice(1).fill(0), ...ids.map(() => 1)])))
    const share = step.now.length / betterTokens(step.now, textLengths)
    return { ...pairs.given(examples, size, asked, step), answers: tensor(answers, [size.tokens]), textShare: tensor([share], []) }
  },
}

function textLengths({ tree }: Example): number[] {
  return tree.completions.map(({ length }) => tree.prompt.length - 1 + length)
}

/**
 * Odds ratio preference optimization: NLL − λ·log σ(log odds(chosen) − log odds(rejected)), with odds = p/(1 − p) and log p = log π per token.
 * There is no reference.
 *
 * The paper's NLL is of the chosen completion (`nll: 'completion'`). TRL's is of prompt and completion, the mean over all of their tokens in the
 * batch (`nll: 'text'`), and that is the default.
 *
 * shape   log-probabilities, lengths f32[pairs] → f32[pairs]; the trainer takes the mean
 * units   NLL in nats per token, lambda in nats per token and log-odds
 * source  Hong, Lee & Thorne 2024, arXiv:2403.07691, equations 6 and 7
 */
export const orpo = preferenceLoss({
  name: 'orpo',
  about: 'The chosen side learned as text, and the odds of both sides apart; no reference.',
  formula: 'NLL(chosen) − λ·log σ(log odds(chosen) − log odds(rejected))',
  needs: ['policy', 'length'],
  params: {
    lambda: { about: 'weight of the log odds ratio', default: 0.1, unit: '', atLeast: 0 },
    nll: {
      about: 'what is learned as text: the chosen completion (the paper), or the prompt before it too (TRL)',
      default: 'text',
      choices: ['text', 'completion'],
    },
  },
  source: 'Hong, Lee & Thorne 2024, arXiv:2403.07691, equations 6 and 7',
  kindOf: ({ nll }) => (nll === 'text' ? withPrompts : pairs),

  perPair({ chosen, rejected }, { lambda, nll }) {
    const ratio = logSigmoid(logOdds(chosen).sub(logOdds(rejected)))
    const said = nll === 'text' ? chosen.textNll : chosen.logp.div(chosen.length).neg()
    return said.sub(ratio.mul(lambda))
  },

  // V-ORPO-1 is the log odds ratio itself: its log σ is what λ = 1 adds to λ = 0.
  known: [
    { id: 'V-ORPO-1', at: points.A, params: { lambda: 0 }, loss: 2 },
    { id: 'V-ORPO-1', at: points.A, params: { lambda: 1 }, loss: 2 + Math.log1p(Math.exp(0.6070690011)) },
    { id: 'V-ORPO-2', at: points.A, loss: 2.1042057808 },
    { id: 'V-ORPO-2', at: points.A, params: { nll: 'completion' }, loss: 2.1042057808 },
    { id: 'V-ORPO-2', at: points.B, loss: 2.1042057808 },
  ],
})

/** log p − log(1 − p), with log p the mean over tokens; where p is 1 to rounding, as of the nearest number below. */
function logOdds({ logp, length }: Side): Value {
  const mean = logp.div(length)
  return mean.sub(log(maximum(exp(mean).neg().add(1), 6e-8)))
}
