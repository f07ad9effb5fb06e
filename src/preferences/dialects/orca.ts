import { has, textIn } from '../columns.ts'
import { said } from '../messages.ts'
import type { TalkMessage } from '../row.ts'
import type { Dialect } from './dialect.ts'

/** A question with two answers, and maybe a system turn. */
export const orca: Dialect = {
  name: 'question pairs',
  columns: 'question, chosen, rejected; with system',
  fits: (row) => 'question' in row && !('prompt' in row) && ('chosen' in row || 'rejected' in row),
  read(row) {
    const turn = (role: TalkMessage['role'], name: string) => said(role, textIn(row, name), name)
    const system = has(row, 'system') && row.system !== '' ? [turn('system', 'system')] : []
    return {
      form: 'pairTalk',
      prompt: [...system, turn('user', 'question')],
      chosen: [turn('assistant', 'chosen')],
      rejected: [turn('assistant', 'rejected')],
    }
  },
}
