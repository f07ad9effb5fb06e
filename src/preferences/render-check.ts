import type { Check, TokenTruth } from './check.ts'
import type { Lengths } from './lengths.ts'
import { readAs } from './read.ts'

const width = 80
const margin = 12

/** The check as lines for a terminal of 80 columns. */
export function renderCheck(check: Check): string[] {
  const { rows, dialects, usable, quarantined, lengths, example } = check
  return [
    check.file,
    '',
    ...item('read as', readAs(dialects)),
    ...item('rows', `${count(rows)} read, ${count(usable)} usable ${check.kind}, ${count(rows - usable)} set aside`),
    ...quarantined.flatMap((q) => item('', `${count(q.rows)} ${q.reason}, first in line ${q.line}: ${visible(q.detail)}`)),
    '',
    label('tokens') + ['min', '50 %', '90 %', '99 %', 'max', 'mean'].map((head) => head.padStart(8)).join(''),
    ...Object.entries(lengths).map(([name, of]) => label(name) + cells(of).join('')),
    '',
    ...item('boundary', boundary(check)),
    ...item('end token', endToken(check)),
    ...doubled(check),
    ...(check.truncated.rows > 0
      ? item('truncated', `${count(check.truncated.rows)} rows, by ${count(check.truncated.tokens)} tokens in all`)
      : []),
    ...item('duplicates', duplicates(check)),
    ...item('votes', votes(check)),
    ...(check.chosenLonger === undefined ? [] : item('length', `chosen is the longer side in ${percent(check.chosenLonger)} of the pairs`)),
    '',
    'The first row as the model meets it:',
    ...Object.entries(example).flatMap(([name, tokens]) => truth(name, tokens)),
  ]
}

function boundary({ boundary: { prefix, trimmed, setAside } }: Check): string {
  const text = prefix + trimmed + setAside
  if (text === 0) return 'rows of ids are taken as they are'
  const share = `${count(prefix)} of ${count(text)} prompts (${percent(prefix / text)}) are token prefixes of their completions`
  if (trimmed > 0) return `${share}; ${count(trimmed)} were trimmed to what agrees`
  return setAside > 0 ? `${share}; the rest is set aside (boundary 'trim' keeps them, as TRL does)` : share
}

function endToken({ end, verbatim }: Check): string {
  const asIds = verbatim > 0 ? `; ${count(verbatim)} rows came as ids and stay as they are` : ''
  if (end.id === undefined) return `the model has none, so nothing was appended${asIds}`
  return `${visible(end.piece)} (id ${end.id}) appended to ${count(end.added)} completions, ${count(end.there)} had it${asIds}`
}

function doubled({ doubled: { begins, ends, ids } }: Check): string[] {
  const texts = [
    begins > 0 ? `${count(begins)} prompts wrote the beginning` : '',
    ends > 0 ? `${count(ends)} completions wrote more than one end` : '',
  ]
  const written = texts.filter((text) => text !== '').join(' and ')
  const asIds = ids > 0 ? `${count(ids)} rows of ids begin or end twice, and stay as they are` : ''
  return [written && `${written}; each stands there once`, asIds].filter((text) => text !== '').flatMap((text) => item('doubled', text))
}

function duplicates({ duplicates: { rows, prompts, swapped, nearPrompts } }: Check): string {
  const near = nearPrompts > 0 ? `; ${count(nearPrompts)} prompts are near duplicates of another` : ''
  if (prompts === 0) return `none: every prompt occurs once${near}`
  const against = swapped > 0 ? `; ${count(swapped)} contradict one: the same sides, and the other is better` : ''
  return `${count(rows)} rows repeat an earlier one, ${count(prompts)} share an earlier prompt${against}${near}`
}

function votes({ kind, votes: { chosen, rejected }, ties = 0, gaps = 0 }: Check): string {
  const even = [ties > 0 && `${count(ties)} ties`, gaps > 0 && `${count(gaps)} gaps`].filter(Boolean).join(', ')
  return kind === 'pairs'
    ? `${count(chosen)} for chosen, ${count(rejected)} for rejected${even && `; ${even}`}`
    : `${count(chosen)} wanted, ${count(rejected)} unwanted`
}

/** A part of the row: its head and tail in pieces, and whether log-probabilities are asked for. */
function truth(name: string, tokens: readonly TokenTruth[]): string[] {
  const pieces = tokens.map(({ piece }) => visible(piece).replaceAll(' ', '␣'))
  const [head, tail] = [18, 12]
  const shown =
    pieces.length <= head + tail + 1
      ? pieces
      : [...pieces.slice(0, head), `… ${pieces.length - head - tail} more …`, ...pieces.slice(-tail)]
  const asked = tokens.some(({ trained }) => trained) ? 'trained' : 'given'
  return item(name, `${count(tokens.length)} tokens, ${asked}:`).concat(wrap(shown).map((line) => label('') + line))
}

function item(name: string, text: string): string[] {
  return wrap(text.split(' ')).map((line, i) => label(i === 0 ? name : '') + line)
}

/** Words in lines that fit beside the margin; a word longer than a line is cut. */
function wrap(words: readonly string[]): string[] {
  const room = width - margin
  const lines = ['']
  for (const word of words.flatMap((long) => long.match(new RegExp(`.{1,${room}}`, 'gsu')) ?? [])) {
    const line = lines.at(-1)!
    if (line === '') lines[lines.length - 1] = word
    else if (line.length + 1 + word.length <= room) lines[lines.length - 1] = `${line} ${word}`
    else lines.push(word)
  }
  return lines
}

function cells({ min, p50, p90, p99, max, mean }: Lengths): string[] {
  return [...[min, p50, p90, p99, max].map(count), mean.toFixed(1)].map((cell) => cell.padStart(8))
}

function label(name: string): string {
  return name.padEnd(margin)
}

function count(n: number): string {
  return n.toLocaleString('en-US')
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}

/** Nothing from a file may move the cursor or break a line. */
function visible(text: string): string {
  return text.replace(/\p{Cc}/gu, (control) => JSON.stringify(control).slice(1, -1).replace('\u007f', '\\u007f'))
}
