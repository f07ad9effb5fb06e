import { z } from 'zod'
import { readJsonObjects } from '../files/index.ts'
import { UserError } from '../graph/index.ts'
import type { Model } from '../policy/index.ts'

/** A text in tokens, with the line of the file it came from. */
export interface ReadText {
  readonly line: number
  readonly ids: readonly number[]
}

const row = z.union([
  z.looseObject({ prompt_ids: z.array(z.int().min(0)).min(1) }),
  z.looseObject({ prompt: z.string() }),
  z.looseObject({ text: z.string() }),
])

/**
 * Reads texts from a JSONL file (also .gz): rows with `prompt` or `text`, or with `prompt_ids`, taken verbatim. `least` is the number of
 * tokens that each must have.
 *
 * throws  UserError naming the line that is not such a row, or no text for this model, or when there is none
 */
export async function readTextFile(file: string, model: Pick<Model, 'ids' | 'config'>, { least = 1 } = {}): Promise<ReadText[]> {
  const { vocabSize, contextLength } = model.config
  const texts: ReadText[] = []
  for await (const { line, raw, value } of readJsonObjects(file)) {
    const where = `${file}:${line}`
    const { data } = row.safeParse(value)
    if (!data)
      throw new UserError(`${where}: must be a JSON object with prompt, text or prompt_ids, got ${raw.slice(0, 60)}; mend the line`)
    const { prompt_ids: verbatim, prompt, text } = data as { prompt_ids?: number[]; prompt?: string; text?: string }
    const ids = verbatim ?? model.ids((prompt ?? text)!)
    const strange = ids.find((id) => id >= vocabSize)
    if (strange !== undefined) throw new UserError(`${where}: ids must be below ${vocabSize}, got ${strange}; is it for another model?`)
    if (ids.length < least || ids.length > contextLength)
      throw new UserError(
        `${where}: a text must have ${least} to ${contextLength} tokens, got ${ids.length}; ${ids.length < least ? 'lengthen it or leave it out' : 'shorten it'}`,
      )
    texts.push({ line, ids })
  }
  if (texts.length === 0) throw new UserError(`${file}: must hold at least one text, got none; write one a line`)
  return texts
}
