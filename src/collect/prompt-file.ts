import { z } from 'zod'
import type { Checkpoint } from '../checkpoints/index.ts'
import { readJsonObjects } from '../files/index.ts'
import { UserError } from '../graph/index.ts'
import { beginningIds } from '../text/index.ts'
import type { Prompt } from './prompts.ts'

const row = z.union([z.looseObject({ prompt_ids: z.array(z.int().min(0)).min(1) }), z.looseObject({ prompt: z.string() })])

/**
 * Reads prompts from a JSONL file (also .gz): rows with `prompt`, a text, or `prompt_ids`, taken verbatim.
 *
 * throws  UserError naming the line that is not such a row or no prompt for this model, or when there is none
 */
export async function readPromptFile(file: string, { tokenizer, config }: Pick<Checkpoint, 'tokenizer' | 'config'>): Promise<Prompt[]> {
  const prompts: Prompt[] = []
  for await (const { line, raw, value } of readJsonObjects(file)) {
    const parsed = row.safeParse(value)
    if (!parsed.success)
      throw new UserError(`${file}:${line}: must be a JSON object with prompt or prompt_ids, got ${raw.slice(0, 60)}; mend the line`)
    const ids =
      'prompt_ids' in parsed.data ? (parsed.data.prompt_ids as number[]) : beginningIds(tokenizer, parsed.data.prompt as string).ids
    checkPrompt(`${file}:${line}`, ids, config)
    prompts.push({ text: 'prompt_ids' in parsed.data ? tokenizer.decode(ids) : (parsed.data.prompt as string), ids })
  }
  if (prompts.length === 0) throw new UserError(`${file}: must hold at least one prompt, got none`)
  return prompts
}

/**
 * Makes sure that a model can go on from a prompt.
 *
 * throws  UserError for one that is empty, has ids that the model does not have, or fills its context
 */
export function checkPrompt(where: string, ids: readonly number[], { vocabSize, contextLength }: Checkpoint['config']): void {
  const strange = ids.find((id) => id >= vocabSize)
  if (strange !== undefined) throw new UserError(`${where}: ids must be below ${vocabSize}, got ${strange}; is it for another model?`)
  if (ids.length === 0) throw new UserError(`${where}: a prompt must have at least one token, got an empty text; leave it out`)
  if (ids.length >= contextLength)
    throw new UserError(
      `${where}: a prompt must leave room in the context of ${contextLength} tokens, got ${ids.length} tokens; shorten it`,
    )
}
