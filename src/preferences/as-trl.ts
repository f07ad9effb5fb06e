import type { Row, TalkMessage } from './row.ts'

/** A row in TRL's columns. */
export function asTrl(row: Row): Readonly<Record<string, unknown>> {
  const { form: _, ...columns } = row
  if (row.form === 'pairTalk') {
    const { plain, ...rest } = columns as typeof row
    return { ...rest, prompt: row.prompt.map(bare), chosen: row.chosen.map(bare), rejected: row.rejected.map(bare) }
  }
  if (row.form === 'labelledTalk') return { ...columns, prompt: row.prompt.map(bare), completion: row.completion.map(bare) }
  return row.form === 'talk' ? talk(row) : columns
}

/** A talk of which only the last turn is learned is a prompt with its completion; TRL has no weights. */
function talk({ messages, tools }: { readonly messages: readonly TalkMessage[]; readonly tools?: readonly unknown[] }) {
  const given = messages.slice(0, -1)
  const more = tools ? { tools } : {}
  if (given.length === 0 || given.some(({ weight }) => weight !== 0)) return { messages, ...more }
  return { prompt: given.map(bare), completion: messages.slice(-1).map(bare), ...more }
}

function bare({ weight: _, ...message }: TalkMessage) {
  return message
}

/** Rows of one schema have one shape: how a row says what it says, as people name it. */
export function shapeOf({ form }: Row): 'text' | 'messages' | 'token ids' {
  return form.endsWith('Ids') ? 'token ids' : form.endsWith('Talk') || form === 'talk' ? 'messages' : 'text'
}
