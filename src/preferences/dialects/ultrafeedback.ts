import { kindOf, type RawRow, textIn, Unreadable } from '../columns.ts'
import { said } from '../messages.ts'
import type { Dialect } from './dialect.ts'

/** An instruction with several scored answers: the highest against the lowest. UltraFeedback, binarised, is TRL's pairs. */
export const ultrafeedback: Dialect = {
  name: 'UltraFeedback',
  columns: 'instruction, completions (response, overall_score)',
  fits: (row) => 'instruction' in row && 'completions' in row,
  read(row) {
    const prompt = [said('user', textIn(row, 'instruction'), 'instruction')]
    if (!Array.isArray(row.completions)) throw new Unreadable(`completions: must be a list, got ${kindOf(row.completions)}`)
    const answers = row.completions.map((one: unknown, i) => answerOf(one, `completions.${i}`))
    const best = answers.reduce((a, b) => (b.score > a.score ? b : a), answers[0]!)
    const worst = answers.reduce((a, b) => (b.score < a.score ? b : a), answers[0]!)
    if (answers.length < 2 || best.score === worst.score)
      throw new Unreadable(
        `completions: must hold two with different scores, got ${answers.length} with ${answers.map(({ score }) => score).join(', ') || 'none'}`,
      )
    return { form: 'pairTalk', prompt, chosen: [best.message], rejected: [worst.message] }
  },
}

function answerOf(one: unknown, where: string) {
  const answer = (typeof one === 'object' && one !== null ? one : {}) as RawRow
  const name = ['overall_score', 'fine-grained_score'].find((field) => answer[field] !== undefined && answer[field] !== null)
  const score = name === undefined ? undefined : answer[name]
  if (typeof score !== 'number' || !Number.isFinite(score))
    throw new Unreadable(`${where}.${name ?? 'overall_score'}: must be a number, got ${score === undefined ? 'nothing' : kindOf(score)}`)
  return { score, message: said('assistant', answer.response, `${where}.response`) }
}
