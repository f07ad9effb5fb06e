import { type Goal, goal, type MadeOptions } from './goal.ts'
import { linearPattern } from './linear-pattern.ts'

/**
 * 1 where a pattern is found in the completion, else 0.
 *
 * throws  UserError for a pattern that RE2 does not read
 * limits  RE2's syntax, so that no pattern and no text can make it slow
 * source  its author
 */
export function pattern(written: string | RegExp, { flags, as = 'pattern', ...options }: PatternOptions = {}): Goal {
  const [text, how] = typeof written === 'string' ? [written, flags ?? ''] : [written.source, flags ?? written.flags.replace(/[gyud]/g, '')]
  const found = linearPattern(`goal ${as}`, text, how)
  return goal(as, (sample) => (found.test(sample.text) ? 1 : 0), {
    about: `the completion has /${text}/${how}`,
    range: [0, 1],
    params: { pattern: text, flags: how },
    ...options,
  })
}

export interface PatternOptions extends MadeOptions {
  /** `i` for any case, `m` for `^` and `$` at every line, `s` for a dot that is the line's end too. */
  readonly flags?: string
}
