import { RE2JS } from 're2js'
import { UserError } from '../graph/errors.ts'

/**
 * A pattern that is matched in time linear in the text, whatever the two are: RE2's automaton follows all its choices at once and never goes
 * back, so that `(a+)+$` on a long row of a's costs as much as any other.
 *
 * throws  UserError for what RE2 does not read: back-references and looking around, which need going back, are no part of it
 * source  Cox 2010, Regular expression matching in the wild; RE2's syntax
 */
export function linearPattern(where: string, pattern: string, flags = ''): RE2JS {
  const strange = [...flags].find((flag) => !Object.hasOwn(meanings, flag))
  if (strange !== undefined)
    throw new UserError(`${where}: flags must be of ${Object.keys(meanings).join(', ')}, got ${strange}; leave it out`)
  const asked = [...flags].reduce((all, flag) => all | meanings[flag as keyof typeof meanings], 0)
  try {
    return RE2JS.compile(pattern, asked)
  } catch (cause) {
    const reason = (cause as Error).message.replace(/^error parsing regexp: /, '')
    throw new UserError(
      `${where}: must be a pattern that RE2 reads, which has no back-reference and does not look around, got ${JSON.stringify(pattern)} (${reason}); write it without`,
      { cause },
    )
  }
}

const meanings = { i: RE2JS.CASE_INSENSITIVE, m: RE2JS.MULTILINE, s: RE2JS.DOTALL } as const
