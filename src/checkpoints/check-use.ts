import { UserError } from '../graph/errors.ts'
import type { Tensor } from '../graph/tensor.ts'
import type { DecoderConfig } from '../models/config.ts'

/** Makes sure that a policy is not taken for a reward model, nor the other way round. */
export function checkUse(name: string, { reward }: DecoderConfig, as: 'policy' | 'reward' | 'either'): void {
  if (as === 'policy' && reward)
    throw new UserError(
      `model: must be a policy, which says the next token, got ${name}, a reward model; read its scores with innate logp --reward ${name}`,
    )
  if (as === 'reward' && !reward)
    throw new UserError(
      `reward: must be a reward model, which scores texts, got ${name}, a policy; train one with objective rewardModel, or take a ForSequenceClassification folder with one label`,
    )
}

/** Makes sure that a reward model's head is made of numbers. */
export function checkScore(where: string, score: Tensor | undefined): void {
  const wrong = score?.data.findIndex((x) => !Number.isFinite(x)) ?? -1
  if (wrong >= 0)
    throw new UserError(
      `${where}: score.weight must be finite, got ${score!.data[wrong]} at place ${wrong}; the training that wrote it diverged, train again with a smaller learning rate`,
    )
}
