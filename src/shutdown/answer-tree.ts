import type { Checkpoint } from '../checkpoints/index.ts'
import { UserError } from '../graph/errors.ts'
import type { Tree } from '../policy/index.ts'
import { beginningIds } from '../text/index.ts'

/**
 * A prompt and the answers to it in tokens.
 *
 * throws  UserError naming the answer that is there twice or changes the prompt's tokens, or when a text is longer than the model's context
 */
export function answerTree(
  where: string,
  { prompt, answers }: { readonly prompt: string; readonly answers: readonly string[] },
  fieldOf: (answer: number) => string,
  { tokenizer, config }: Pick<Checkpoint, 'tokenizer' | 'config'>,
): Tree {
  const { ids } = beginningIds(tokenizer, prompt)
  const completions = answers.map((text, i) => {
    const whole = beginningIds(tokenizer, prompt + text).ids
    if (whole.length <= ids.length || !ids.every((id, k) => whole[k] === id))
      throw new UserError(
        `${where} ${fieldOf(i)}: must leave the prompt's tokens as they are, got ${JSON.stringify(text)}; end the prompt with a word, and begin the text with a space`,
      )
    return whole.slice(ids.length)
  })
  const twice = answers.findIndex((text, i) => answers.indexOf(text) < i)
  if (twice >= 0)
    throw new UserError(
      `${where} ${fieldOf(twice)}: must differ from the other answers, got ${JSON.stringify(answers[twice])} twice; which one was meant could not be told`,
    )
  const longest = ids.length + Math.max(...completions.map(({ length }) => length))
  if (longest > config.contextLength)
    throw new UserError(`${where}: must have at most ${config.contextLength} tokens, got ${longest}; shorten it`)
  return { prompt: ids, completions }
}
