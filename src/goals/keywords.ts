import { UserError } from '../graph/errors.ts'
import { type Goal, goal, type MadeOptions } from './goal.ts'
import { words } from './words.ts'

/**
 * Share of keywords that the completion says, each word or phrase counted once, in any case.
 *
 * throws  UserError for no keyword, or one without a letter
 * limits  exact words, without inflections; a completion that lists them and says nothing else has all, so hold a gold measure against it
 * source  its author
 */
export function keywords(list: readonly string[], { as = 'keywords', ...options }: MadeOptions = {}): Goal {
  if (list.length === 0) throw new UserError(`goal ${as}: must have a keyword or more, got none; name what the completions are to say`)
  const phrases = list.map((phrase) => words(phrase))
  const empty = phrases.findIndex((phrase) => phrase.length === 0)
  if (empty >= 0)
    throw new UserError(`goal ${as}: every keyword must have a letter, got ${JSON.stringify(list[empty])}; for signs use a pattern`)
  const wanted = [...new Set(phrases.map((phrase) => ` ${phrase.join(' ')} `))]
  const share = (text: string) => {
    const said = ` ${words(text).join(' ')} `
    return wanted.filter((phrase) => said.includes(phrase)).length / wanted.length
  }
  return goal(as, (sample) => share(sample.text), {
    about: `share of these that are said: ${list.slice(0, 12).join(', ')}${list.length > 12 ? ', …' : ''}`,
    range: [0, 1],
    words: new Set(phrases.flat()),
    params: { words: [...list] },
    ...options,
  })
}
