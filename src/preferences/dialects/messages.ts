import { labelIn, labelVotesIn } from '../columns.ts'
import { answered, messagesIn, toolsIn } from '../messages.ts'
import type { Dialect } from './dialect.ts'

/** Turns with `role` and `content`: with `label` the last one is wanted or not, else it is a talk. */
export const messages: Dialect = {
  name: 'messages',
  columns: 'messages (role, content); with label',
  fits: (row) => 'messages' in row && !('chosen' in row || 'rejected' in row),
  read(row) {
    const turns = messagesIn(row, 'messages')
    const tools = toolsIn(row)
    if (!('label' in row)) return { form: 'talk', messages: turns, ...tools }
    return { form: 'labelledTalk', ...answered(turns, 'messages'), label: labelIn(row, 'label'), ...labelVotesIn(row), ...tools }
  },
}
