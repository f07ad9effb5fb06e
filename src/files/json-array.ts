import { type JsonLine, lineOf } from './json-lines.ts'
import { longestLine } from './lines.ts'

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c]
const opens = (byte: number) => byte === 0x5b || byte === 0x7b
const closes = (byte: number) => byte === 0x5d || byte === 0x7d

/**
 * The items of a JSON array, one at a time, however long the array is. `line` is the item, counted from 1; one that is no object, an array that is
 * cut off, and what stands after its end are yielded as faults.
 *
 * limits  commas are where items end; a comma too many makes an item that is blank, which is left out
 */
export async function* jsonArrayObjects(chunks: AsyncIterable<Buffer>): AsyncGenerator<JsonLine> {
  let item = 0
  let depth = 0
  let text = false
  let escaped = false
  let ended = false
  let length = 0
  let parts: Buffer[] = []
  const add = (part: Buffer) => {
    if (length < longestLine) parts.push(part)
    length += part.length
  }
  const take = (): JsonLine | undefined => {
    const made = lineOf(item + 1, { bytes: Buffer.concat(parts), cut: length > longestLine })
    parts = []
    length = 0
    if (made) item++
    return made
  }
  for await (const chunk of chunks) {
    let from = 0
    for (let at = 0; at < chunk.length && !ended; at++) {
      const byte = chunk[at]!
      if (text) {
        if (escaped) escaped = false
        else if (byte === backslash) escaped = true
        else if (byte === quote) text = false
        continue
      }
      if (byte === quote) text = true
      else if (opens(byte)) {
        // The array's own bracket is no part of an item; a byte-order mark stands before it.
        if (depth++ === 0) [from, parts, length] = [at + 1, [], 0]
      } else if (closes(byte)) depth--
      ended = depth === 0 && closes(byte)
      if (ended || (depth === 1 && byte === comma)) {
        add(chunk.subarray(from, at))
        const made = take()
        if (made) yield made
        from = at + 1
      }
    }
    if (from < chunk.length) add(chunk.subarray(from))
  }
  const rest = Buffer.concat(parts).toString('utf8').trim()
  const fault = (detail: string): JsonLine => ({ line: item + 1, raw: rest.slice(0, 200), fault: 'bad JSON', detail })
  if (depth > 0) yield fault('the array must be closed by ], got the end of the file; is it cut off?')
  else if (rest !== '') yield fault(`after the array there must be nothing, got ${JSON.stringify(rest.slice(0, 40))}`)
}
