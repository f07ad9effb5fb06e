import { UserError } from '../graph/index.ts'
import { checkIds } from '../policy/check-ids.ts'
import type { Model } from '../policy/index.ts'

/** Two texts of as many tokens, and two answers that tell them apart: what patching compares. */
export interface Contrast {
  readonly clean: readonly number[]
  readonly corrupted: readonly number[]
  /** What should follow the clean text. */
  readonly answer: number
  readonly wrong: number
}

/** A contrast in words. */
export interface ContrastTexts {
  readonly clean: string
  readonly corrupted: string
  readonly answer: string
  readonly wrong: string
}

/**
 * Reads a contrast: texts as the model reads every text, answers as the continuation of the clean one.
 *
 * throws  UserError for texts of different token counts, and for an answer that is not one token there or the same as the other
 */
export function readContrast(model: Model, { clean, corrupted, answer, wrong }: ContrastTexts): Contrast {
  const read = { clean: model.ids(clean), corrupted: model.ids(corrupted), ...readAnswers(model, clean, { answer, wrong }) }
  return checkContrast(model, read)
}

/**
 * The answers as tokens that go on from a text.
 *
 * throws  UserError for an answer that is not one token there, or the same as the other
 */
export function readAnswers(model: Model, text: string, said: { answer: string; wrong: string }): { answer: number; wrong: number } {
  const [answer, wrong] = [answerId(model, text, 'answer', said.answer), answerId(model, text, 'wrong', said.wrong)]
  if (answer !== wrong) return { answer, wrong }
  throw new UserError(`wrong: must be another token than the answer, got ${JSON.stringify(said.wrong)} for both; give two that differ`)
}

function answerId(model: Model, text: string, where: string, answer: string): number {
  const [before, after] = [model.ids(text), model.ids(text + answer)]
  const extra = after.slice(before.length)
  if (extra.length === 1 && before.every((id, i) => id === after[i])) return extra[0]!
  const pieces = model.tokenizer.pieces([...(extra.length > 0 && before.every((id, i) => id === after[i]) ? extra : after)])
  throw new UserError(
    `${where}: must be one token after the text, got ${JSON.stringify(answer)}, which is read as ${pieces.map((piece) => JSON.stringify(piece)).join(' ')}; choose a single token, most begin with a space`,
  )
}

/**
 * The contrast itself, if the model can read it.
 *
 * throws  UserError for texts of different token counts, longer than the context, or ids that the model does not have
 */
export function checkContrast(model: Model, contrast: Contrast): Contrast {
  const { clean, corrupted, answer, wrong } = contrast
  const { contextLength } = model.config
  if (clean.length !== corrupted.length)
    throw new UserError(
      `corrupted: must have as many tokens as the clean text, got ${corrupted.length} and ${clean.length}; change words for words of as many tokens`,
    )
  if (clean.length === 0 || clean.length > contextLength)
    throw new UserError(
      `clean: a text must have 1 to ${contextLength} tokens, got ${clean.length}; ${clean.length ? 'shorten it' : 'give some'}`,
    )
  checkIds('clean', clean, model.config)
  checkIds('corrupted', corrupted, model.config)
  checkIds('answers', [answer, wrong], model.config)
  return contrast
}

/** A contrast that is given as texts or as tokens. */
export function contrastOf(model: Model, given: Contrast | ContrastTexts): Contrast {
  return typeof given.clean === 'string' ? readContrast(model, given as ContrastTexts) : checkContrast(model, given as Contrast)
}

/** The gap that effects are shares of: the metric on the clean text and on the corrupted one, nats. */
export interface Gap {
  readonly clean: number
  readonly corrupted: number
}

/**
 * A metric as a share of the gap: 0 on the corrupted text, 1 on the clean one.
 *
 * throws  UserError when both texts have the same metric, so that there is nothing to explain
 */
export function shareOf({ clean, corrupted }: Gap): (metric: number) => number {
  const gap = clean - corrupted
  if (Number.isFinite(gap) && Math.abs(gap) > 1e-6 * Math.max(1, Math.abs(clean))) return (metric) => (metric - corrupted) / gap
  throw new UserError(
    `patch: the clean and the corrupted text must differ in the logit difference of the answers, got ${clean.toPrecision(6)} for both; choose texts that the model tells apart`,
  )
}
