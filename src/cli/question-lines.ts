import type { Question, Said } from '../labels/index.ts'
import { cells, printable, type Screen } from './screen.ts'
import { broken } from './side-by-side.ts'

/** A question as a rater sees it, with what they have set for their answer and what they did last. */
export interface Shown extends Question {
  readonly rater: string
  readonly left: number
  readonly of: number
  readonly confidence?: 1 | 2 | 3 | undefined
  readonly note?: string | undefined
  readonly said?: string
}

const sure = { 1: 'unsure', 2: 'fairly sure', 3: 'sure' } as const

/** A question on the terminal: the prompt, both sides beside each other (below each other where it is narrow), and the keys. */
export function questionLines(
  { pair, first, rater, left, of, confidence, note, said }: Shown,
  { width, colour }: Pick<Screen, 'width' | 'colour'>,
): string[] {
  const [one, two] = first === 'a' ? [pair.a, pair.b] : [pair.b, pair.a]
  const rule = colour.dim('─'.repeat(width))
  const beside = width >= 76
  const half = Math.floor((width - 3) / 2)
  const sides = [
    ['A', one],
    ['B', two],
  ].map(([name, text]) => ({ name: name as string, lines: broken(plainText(text as Said), beside ? half : width) }))
  const body = beside
    ? [
        row([colour.bold('A'), colour.bold('B')], half, colour.dim('│')),
        ...Array.from({ length: Math.max(...sides.map(({ lines }) => lines.length)) }, (_, i) =>
          row(
            sides.map(({ lines }) => lines[i] ?? ''),
            half,
            colour.dim('│'),
          ),
        ),
      ]
    : sides.flatMap(({ name, lines }, i) => [...(i === 0 ? [] : ['']), colour.bold(name), ...lines])
  const set = [confidence ? `you are ${sure[confidence]}` : '', note === undefined ? '' : `note: ${printable(note)}`]
    .filter(Boolean)
    .join(' · ')
  return [
    colour.dim(`${rater} · ${left} of ${of} left${said ? ` · ${said}` : ''}`),
    rule,
    ...broken(plainText(pair.prompt), width),
    rule,
    ...body,
    rule,
    ...keyLines(width, colour),
    ...(set === '' ? [] : [colour.cyan(set)]),
  ]
}

const keys: readonly (readonly [key: string, does: string])[] = [
  ['← a', 'A is better'],
  ['→ b', 'B is better'],
  ['t', 'equally good'],
  ['n', 'no preference'],
  ['s', 'skip'],
  ['1 2 3', 'how sure'],
  ['c', 'note'],
  ['u', 'undo'],
  ['q', 'leave'],
]

/** The keys, as many on a line as there is room for. */
function keyLines(width: number, colour: Screen['colour']): string[] {
  const lines: { plain: number; text: string }[] = []
  for (const [key, does] of keys) {
    const length = key.length + 1 + does.length
    const text = `${colour.bold(key)} ${colour.dim(does)}`
    const last = lines.at(-1)
    if (last && last.plain + 3 + length <= width)
      lines[lines.length - 1] = { plain: last.plain + 3 + length, text: `${last.text}   ${text}` }
    else lines.push({ plain: length, text })
  }
  return lines.map(({ text }) => text)
}

function row(columns: readonly string[], width: number, between: string): string {
  return columns
    .map((text) => text + ' '.repeat(Math.max(0, width - cells(bare(text)))))
    .join(` ${between} `)
    .trimEnd()
}

/** A text without its colours. */
function bare(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what a colour is
  return text.replace(/\x1b\[[0-9;]*m/g, '')
}

/** What was said, as plain text that cannot command the terminal; turns of a talk under their roles. */
function plainText(said: Said): string {
  const text =
    typeof said === 'string'
      ? said
      : said.length === 1
        ? said[0]!.content
        : said.map(({ role, content }) => `${role}: ${content}`).join('\n')
  return printable(text).trim()
}
