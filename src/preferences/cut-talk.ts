import type { ChatTemplate } from '../text/index.ts'
import type { LabelledTalk, PairTalk } from './row.ts'
import { noTemplate } from './talk.ts'
import { endedAnswer, notPrefix, type Refused, writtenAnswer, writtenBefore } from './talk-tokens.ts'
import type { Boundary, Cut, Vocabulary } from './tokenise.ts'

/**
 * A talk with one answer or two in tokens, as the model's chat template writes it: the prompt up to where the template begins the answer, and
 * each answer up to its end token. With `trim` the prompt ends where the three first differ.
 */
export function cutTalk(
  row: PairTalk | LabelledTalk,
  vocabulary: Vocabulary,
  { boundary, template }: { readonly boundary: Boundary; readonly template: ChatTemplate | undefined },
): Cut | Refused {
  if (!template) return noTemplate
  const { prompt, tools } = row
  const sides = row.form === 'pairTalk' ? { chosen: row.chosen, rejected: row.rejected } : { completion: row.completion }
  const [first] = Object.keys(sides)
  const writing = { vocabulary, template, tools }
  const before = writtenBefore(prompt, writing, first!)
  if ('reason' in before) return before
  const answers = []
  for (const [name, side] of Object.entries(sides)) {
    if (side.length !== 1 || side[0]!.role !== 'assistant')
      return {
        reason: 'wrong shape',
        detail: `${name}: must be one answer of the assistant after the shared talk, got ${side.map(({ role }) => role).join(', ') || 'none'}`,
      }
    const answer = writtenAnswer(prompt, side[0]!, before, writing, name)
    if ('reason' in answer) return answer
    if (answer.kept < before.ids.length && boundary === 'strict') return notPrefix(name, answer, before, writing)
    answers.push(answer)
  }
  const kept = Math.min(before.ids.length, ...answers.map((answer) => answer.kept))
  const ended = answers.map((answer) => endedAnswer(answer, kept, vocabulary))
  return {
    prompt: before.ids.slice(0, kept),
    sides: ended.map(({ ids }) => ids),
    trimmed: before.ids.length - kept,
    added: ended.map(({ added }) => added),
    endTokens: ended.filter(({ added }) => added).length,
    begins: 0,
    ends: ended.filter(({ doubled }) => doubled).length,
    text: { prompt: before.text, sides: Object.values(sides).map(([answer]) => answer!.content) },
  }
}
