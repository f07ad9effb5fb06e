import { createJiti } from 'jiti'
import type { CustomLoss } from './objectives/index.ts'

/**
 * The text of a loss as its author wrote it, found in the source of the recipe: what JavaScript keeps of a function is what a loader made
 * of it. A candidate counts only when the loader makes of it what runs; undefined when none does, as for a loss from another file.
 */
export function writtenLoss(source: string, loss: CustomLoss): string | undefined {
  const runs = bare(loss.toString())
  const jiti = createJiti(import.meta.url)
  for (const candidate of candidates(source)) {
    try {
      const value = /^(async\s+)?loss\s*\(/.test(candidate) ? `{ ${candidate} }` : candidate
      if (bare(jiti.transform({ source: `export default (${value})`, filename: 'loss.ts', ts: true })).includes(runs))
        return dedent(candidate)
    } catch {
      // Not a piece that stands by itself, so not the loss.
    }
  }
  return undefined
}

/** Pieces of the source that may be the loss: the value of each property `loss`, the method of that name, and what a name stands for. */
function* candidates(source: string): Generator<string> {
  for (const found of source.matchAll(/\bloss\s*:\s*|\bloss\s*(?=\()/g)) {
    const start = found[0].includes(':') ? found.index + found[0].length : found.index
    const text = piece(source, start)
    if (/^[\w$]+$/.test(text)) yield* named(source, text)
    else yield text
  }
  yield* named(source, 'loss')
}

function* named(source: string, name: string): Generator<string> {
  const escaped = name.replaceAll('$', '\\$')
  for (const found of source.matchAll(
    new RegExp(`\\b(?:const|let|var)\\s+${escaped}\\b[^=]*=(?!=|>)\\s*|\\bfunction\\s+${escaped}\\b`, 'g'),
  ))
    yield piece(source, found[0].startsWith('function') ? found.index : found.index + found[0].length)
}

/** From here to the comma, semicolon, closing bracket or end of the function that ends what begins here. */
function piece(source: string, start: number): string {
  const isFunction = /^(async\s+)?(function\b|loss\s*\()/.test(source.slice(start))
  let depth = 0
  for (let i = start; i < source.length; i++) {
    const c = source[i]!
    if (c === '/' && '/*'.includes(source[i + 1]!)) i = endOf(source, i, source[i + 1] === '/' ? '\n' : '*/')
    else if (c === "'" || c === '"' || c === '`') i = quoted(source, i)
    else if ('([{'.includes(c)) depth++
    else if (')]}'.includes(c)) {
      if (--depth < 0) return source.slice(start, i).trimEnd()
      if (depth === 0 && c === '}' && isFunction) return source.slice(start, i + 1)
    } else if (depth === 0 && (c === ',' || c === ';')) return source.slice(start, i).trimEnd()
    else if (depth === 0 && c === '\n' && /^\s*(const|let|var|function|export|import|\/\*|\/\/)/.test(source.slice(i + 1)))
      return source.slice(start, i).trimEnd()
  }
  return source.slice(start).trimEnd()
}

function endOf(source: string, from: number, end: string): number {
  const found = source.indexOf(end, from + 2)
  return found < 0 ? source.length : found + end.length - 1
}

function quoted(source: string, from: number): number {
  for (let i = from + 1; i < source.length; i++) {
    if (source[i] === '\\') i++
    else if (source[i] === source[from]) return i
  }
  return source.length
}

/** Without space and comments, and with imported names as they were imported: what two printings of the same code share. */
function bare(code: string): string {
  return code
    .replace(/\(0, *_\w+\.(\w+)\)/g, '$1')
    .replace(/\b_\w+\.(?=\w)/g, '')
    .replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '')
    .replace(/[\s;]+/g, '')
}

/** Later lines moved to the left as far as the least indented of them, which begins as far left as the first. */
function dedent(text: string): string {
  const [first = '', ...rest] = text.split('\n')
  const least = Math.min(...rest.filter((line) => line.trim() !== '').map((line) => line.match(/^ */)![0].length))
  return [first, ...rest.map((line) => line.slice(Number.isFinite(least) ? least : 0))].join('\n')
}
