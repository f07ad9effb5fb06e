import { has, kindOf, labelIn, labelVotesIn, listIn, type RawRow, textIn, Unreadable } from '../columns.ts'
import { said } from '../messages.ts'
import type { TalkMessage } from '../row.ts'
import type { Dialect } from './dialect.ts'

/** An instruction with its input, as one turn of the user: with `output` a talk (with `kto_tag` a labelled one), with `chosen` and `rejected` a pair. */
export const alpaca: Dialect = {
  name: 'Alpaca',
  columns: 'instruction, input, output; with kto_tag, or chosen and rejected; system, history',
  fits: (row) => 'instruction' in row,
  read(row) {
    const prompt = promptOf(row)
    const answer = (name: string) => [said('assistant', textIn(row, name), name)]
    if ('chosen' in row || 'rejected' in row) return { form: 'pairTalk', prompt, chosen: answer('chosen'), rejected: answer('rejected') }
    const completion = answer('output')
    if (has(row, 'kto_tag')) return { form: 'labelledTalk', prompt, completion, label: labelIn(row, 'kto_tag'), ...labelVotesIn(row) }
    return { form: 'talk', messages: [...prompt.map((turn) => ({ ...turn, weight: 0 as const })), ...completion] }
  },
}

function promptOf(row: RawRow): TalkMessage[] {
  const input = has(row, 'input') && row.input !== '' ? `\n${textIn(row, 'input')}` : ''
  const system = has(row, 'system') && row.system !== '' ? [said('system', row.system, 'system')] : []
  const history = has(row, 'history') ? listIn(row, 'history') : []
  const before = history.flatMap((turn, i) => {
    if (!Array.isArray(turn) || turn.length !== 2)
      throw new Unreadable(`history.${i}: must be an instruction and an answer, got ${kindOf(turn)}`)
    return [said('user', turn[0], `history.${i}.0`), said('assistant', turn[1], `history.${i}.1`)]
  })
  return [...system, ...before, { role: 'user', content: textIn(row, 'instruction') + input }]
}
