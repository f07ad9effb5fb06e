import { type Checkpoint, dataFile } from '../checkpoints/index.ts'
import { readObjects } from '../files/index.ts'
import { UserError } from '../graph/index.ts'
import { type PromptRow, promptOf, type RawRow, talkPrompt, Unreadable } from '../preferences/index.ts'
import { beginningIds, type ChatTemplate, loadChatTemplate } from '../text/index.ts'
import type { Prompt } from './prompts.ts'

/** What reading prompts needs of a model; without a folder it has no chat template. */
type Reader = Pick<Checkpoint, 'tokenizer' | 'config'> & Partial<Pick<Checkpoint, 'folder' | 'eosIds'>>

/**
 * Reads prompts from a file of rows, or a data set of the Hub (JSON lines, a JSON array, CSV, Parquet): `prompt` as text or as messages, `prompt_ids`, taken verbatim, or
 * a talk or pair in any dialect, of which what stands before the answer is the prompt. Talks are written with the model's chat template.
 *
 * throws  UserError naming the line that is no prompt for this model, or when there is none
 */
export async function readPromptFile(given: string, model: Reader): Promise<Prompt[]> {
  const file = await dataFile(given)
  const template = model.folder === undefined ? undefined : await loadChatTemplate(model.folder)
  const prompts: Prompt[] = []
  for await (const read of readObjects(file)) {
    const where = `${file}:${read.line}`
    if (!('value' in read)) throw faultError(where, read)
    const prompt = inTokens(where, rowOf(where, read.value, template !== undefined), model, template)
    checkPrompt(where, prompt.ids, model.config)
    prompts.push(prompt)
  }
  if (prompts.length === 0) throw new UserError(`${file}: must hold at least one prompt, got none`)
  return prompts
}

function rowOf(where: string, value: RawRow, talks: boolean): PromptRow {
  try {
    return promptOf(value, talks)
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    throw new UserError(
      `${where}: must be a JSON object with prompt or prompt_ids, or a talk, got ${JSON.stringify(value).slice(0, 60)} (${error.message}); mend the line`,
    )
  }
}

/** A prompt in tokens, with its text as goals and judges read it. */
export function inTokens(where: string, row: PromptRow, model: Reader, template: ChatTemplate | undefined): Prompt {
  if ('ids' in row) return { text: model.tokenizer.decode(row.ids), ids: row.ids }
  if ('text' in row) return { text: row.text, ids: beginningIds(model.tokenizer, row.text).ids }
  try {
    return talkPrompt(row, { ...model, eosIds: model.eosIds ?? [] }, template)
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    throw new UserError(
      `${where}: must be a talk that this model can answer, got one of which ${error.message}; mend it, or take another model`,
    )
  }
}

function faultError(where: string, { raw, fault, detail }: { raw: string; fault: string; detail: string }): UserError {
  if (fault === 'not UTF-8') return new UserError(`${where}: must be UTF-8 text, got ${detail}; save it as UTF-8`)
  return new UserError(`${where}: must be a JSON object on one line, got ${JSON.stringify(raw.slice(0, 80))}; mend the line`)
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
