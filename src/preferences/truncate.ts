import { frameOf } from '../text/beginning.ts'
import type { ChatTemplate } from '../text/index.ts'
import type { PreferenceRow } from './row.ts'
import { commonPrefix } from './talk-tokens.ts'
import type { Cut, Vocabulary } from './tokenise.ts'

/** Where a row that is too long is cut: the prompt at its start or in its middle, or the completion at its end. */
export const truncations = ['none', 'start', 'end', 'middle'] as const
export type Truncate = (typeof truncations)[number]

/** The longest row that fits, in tokens: a prompt and its longer completion. */
export function lengthOf({ prompt, sides }: Pick<Cut, 'prompt' | 'sides'>): number {
  return prompt.length + Math.max(...sides.map((side) => side.length))
}

/**
 * A row cut to a length. `start` and `middle` cut the prompt and keep its first `kept` tokens; `end` cuts completions, which then have no end
 * token. Tokens are cut whole, so no special token is cut inside. What would leave no token of the prompt beyond those kept, or none of
 * a completion, stays too long.
 */
export function truncated(cut: Cut, how: Truncate, limit: number, kept: number): Cut {
  const over = lengthOf(cut) - limit
  if (how === 'none' || over <= 0) return cut
  const { prompt, sides, added } = cut
  if (how === 'end') {
    const room = limit - prompt.length
    if (room < 1) return cut
    const short = sides.map((side) => side.slice(0, room))
    const ends = added?.map((one, i) => one && short[i]!.length === sides[i]!.length)
    return { ...cut, sides: short, ...(ends && { added: ends, endTokens: ends.filter(Boolean).length }), cutTokens: over }
  }
  const free = prompt.length - kept
  if (free - over < 1) return cut
  const before = how === 'start' ? kept : kept + Math.floor((free - over) / 2)
  return { ...cut, prompt: [...prompt.slice(0, before), ...prompt.slice(before + over)], cutTokens: over }
}

/** How many tokens a prompt begins with that no cut takes: the tokenizer's own beginning, and a system turn as the template writes it. */
export function keptTokens(row: PreferenceRow, { prompt }: Cut, { tokenizer }: Vocabulary, template: ChatTemplate | undefined): number {
  const { begin } = frameOf(tokenizer)
  const own = begin.every((id, i) => prompt[i] === id) ? begin.length : 0
  if (!template || (row.form !== 'pairTalk' && row.form !== 'labelledTalk')) return own
  const first = row.prompt.findIndex(({ role }) => role !== 'system' && role !== 'developer')
  const system = row.prompt.slice(0, Math.max(0, first))
  // What is written whatever the user says is all that stands before it.
  const [a, b] = ['a', 'b'].map((content) => {
    const text = template.render([...system.map(({ role, content }) => ({ role, content })), { role: 'user', content }], {
      tools: row.tools,
    })
    return tokenizer.encode(text, { special: false })
  }) as [number[], number[]]
  return Math.max(own, commonPrefix(prompt, a.slice(0, commonPrefix(a, b))))
}
