import { UserError } from '../graph/errors.ts'
import type { DecoderConfig } from '../models/config.ts'

/** Makes sure that the embedding has a row for every id; `where` leads the error. */
export function checkIds(where: string, ids: readonly number[], { vocabSize }: DecoderConfig) {
  const strange = ids.find((id) => !(Number.isInteger(id) && id >= 0 && id < vocabSize))
  if (strange === undefined) return
  throw new UserError(
    `${where} must be 0 to ${vocabSize - 1} (the model's vocabulary), got ${strange}; were the tokens made by another model's tokenizer?`,
  )
}
