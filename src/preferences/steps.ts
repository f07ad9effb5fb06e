import { type JsonLine, readObjects } from '../files/index.ts'
import { UserError } from '../graph/errors.ts'
import { beginningIds } from '../text/beginning.ts'
import { kindOf, listIn, type RawRow, textIn, Unreadable, whole } from './columns.ts'
import { countReasons, type Quarantined } from './quarantine.ts'
import type { Refused } from './talk-tokens.ts'
import type { Vocabulary } from './tokenise.ts'

/** A completion in steps, in tokens: where each step ends, counted in tokens of the completion, and whether it is right. */
export interface Stepwise {
  readonly row: number
  readonly prompt: readonly number[]
  readonly completion: readonly number[]
  readonly steps: readonly { readonly end: number; readonly label: boolean }[]
  readonly text: { readonly prompt: string }
}

export interface LoadedSteps {
  readonly rows: number
  readonly examples: readonly Stepwise[]
  readonly quarantined: readonly Quarantined[]
}

/** What stands after every step. */
const separator = '\n'

/** Whether a row has the columns of TRL's stepwise form. */
export function isStepwise(row: RawRow): boolean {
  return 'prompt' in row && 'completions' in row && 'labels' in row
}

/** Whether a file holds completions in steps: what its first row that can be read is. */
export async function holdsSteps(file: string): Promise<boolean> {
  for await (const read of readObjects(file)) if (!('fault' in read)) return isStepwise(read.value)
  return false
}

/**
 * Reads completions in steps (`prompt`, `completions`, `labels`) and puts them into tokens, in file order. Every step is tokenised by itself and ends
 * with a line end, whose last token is the step's; no end token follows.
 *
 * throws  UserError when the file can not be read or no row in it is usable, and where the tokenizer has no line end
 * source  TRL's stepwise supervision, tokenised as its PRMTrainer does with `step_separator="\n"`
 */
export async function loadSteps(
  file: string,
  vocabulary: Vocabulary,
  { maxLength }: { readonly maxLength?: number } = {},
): Promise<LoadedSteps> {
  const after = vocabulary.tokenizer.encode(separator, { special: false })
  if (after.length === 0)
    throw new UserError(`${file}: steps must be ended by a line end, got a model whose tokenizer has none; take another model`)
  const limit = Math.min(maxLength ?? Number.POSITIVE_INFINITY, vocabulary.config.contextLength)
  const examples: Stepwise[] = []
  const quarantined: Quarantined[] = []
  let rows = 0
  for await (const read of readObjects(file)) {
    const made = stepsOf(read, rows++, vocabulary, after, limit)
    if ('reason' in made) quarantined.push({ line: read.line, raw: read.raw, ...made })
    else examples.push(made)
  }
  if (examples.length > 0) return { rows, examples, quarantined }
  const [first] = quarantined
  const said = Object.entries(countReasons(quarantined)).map(([reason, n]) => `${n} ${reason}`)
  throw new UserError(
    `${file}: at least one row of steps (prompt, completions, labels) must be usable, got none of ${rows}${first ? ` (${said.join(', ')}); mend the rows; the first is line ${first.line}: ${first.detail}` : '; is this the right file?'}`,
  )
}

function stepsOf(read: JsonLine, row: number, vocabulary: Vocabulary, after: readonly number[], limit: number): Stepwise | Refused {
  if ('fault' in read) return { reason: read.fault, detail: read.detail }
  try {
    const { prompt: text, steps, labels } = columnsOf(read.value)
    const bare = steps.findIndex((one) => one.trim() === '')
    if (bare >= 0)
      return { reason: 'empty completion', detail: `completions.${bare}: must have text, got ${steps[bare] === '' ? 'none' : 'blanks'}` }
    const { tokenizer } = vocabulary
    const prompt = beginningIds(tokenizer, text).ids
    if (prompt.length === 0) return { reason: 'empty prompt', detail: 'the prompt must have at least one token, got none' }
    const completion: number[] = []
    const ends = steps.map((one) => completion.push(...tokenizer.encode(one, { special: false }), ...after))
    const length = prompt.length + completion.length
    if (length > limit) return { reason: 'too long', detail: `prompt and steps must have at most ${limit} tokens, got ${length}` }
    return { row, prompt, completion, steps: ends.map((end, k) => ({ end, label: labels[k]! })), text: { prompt: text } }
  } catch (error) {
    if (error instanceof Unreadable) return { reason: 'wrong shape', detail: error.message }
    throw error
  }
}

function columnsOf(row: RawRow): { prompt: string; steps: string[]; labels: boolean[] } {
  const [completions, given] = [listIn(row, 'completions'), listIn(row, 'labels')]
  const steps = completions.map((one, k) => {
    if (typeof one !== 'string') throw new Unreadable(`completions.${k}: must be text, got ${kindOf(one)}`)
    return whole(one, `completions.${k}`)
  })
  const labels = given.map((one, k) => {
    if (typeof one !== 'boolean') throw new Unreadable(`labels.${k}: must be true or false, got ${kindOf(one)}`)
    return one
  })
  if (steps.length === 0) throw new Unreadable('completions: must have a step, got none')
  if (labels.length !== steps.length)
    throw new Unreadable(`labels: must be one for each of ${steps.length} ${steps.length === 1 ? 'step' : 'steps'}, got ${labels.length}`)
  return { prompt: textIn(row, 'prompt'), steps, labels }
}
