import { createColors } from 'picocolors'

/** Where a screen writes: the process's own streams, or a test's. */
export interface Stream {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
}

/** Where a command reads what is typed or piped. */
export type Source = NodeJS.ReadableStream & { readonly isTTY?: boolean }

/**
 * What a command prints with. Results go to stdout; progress, notes and warnings to stderr, so that results can be piped.
 * With `--json` stdout carries JSON lines and nothing else; with `--quiet` there is no progress and no note.
 */
export interface Screen {
  readonly json: boolean
  readonly width: number
  /** Lines of the terminal; undefined when results do not go to one, so that nothing on it can be written over. */
  readonly height: number | undefined
  readonly source: Source
  readonly colour: ReturnType<typeof createColors>
  /** A result for people. */
  line(text?: string): void
  /** A part of a result for people, as it is. */
  write(text: string): void
  /** Rows of a result, aligned in columns; the last column wraps. */
  table(rows: readonly (readonly (string | number)[])[]): void
  /** A result for programs: one JSON line. */
  emit(value: unknown): void
  /** What is being done. */
  note(text: string): void
  /** What went other than expected; shown with `--quiet` too. */
  warn(text: string): void
  /** `before` of the total was done before, and says nothing of how long the rest takes. */
  progress(label: string, total: number, before?: number): Progress
}

/** One thing that takes long. On a terminal it is a bar with the time left, elsewhere nothing. */
export interface Progress {
  advance(by?: number, about?: string): void
  done(): void
}

export interface ScreenOptions {
  readonly json?: boolean
  readonly quiet?: boolean
  readonly out?: Stream
  readonly err?: Stream
  readonly source?: Source
  readonly env?: Readonly<Record<string, string | undefined>>
}

export function createScreen(options: ScreenOptions = {}): Screen {
  const { json = false, quiet = false, out = process.stdout, err = process.stderr, source = process.stdin, env = process.env } = options
  const live = err.isTTY === true && !quiet && env.TERM !== 'dumb'
  const width = Math.min(out.columns ?? err.columns ?? 100, 120)
  const colour = createColors(out.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb')
  const tint = createColors(err.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb')
  let bar = '' // what stands on the last line of the terminal, to be cleared before anything else is written

  const clear = () => bar !== '' && err.write('\r\x1b[2K')
  const print = (stream: Stream, text: string) => {
    clear()
    stream.write(`${text}\n`)
    if (bar !== '') err.write(bar)
  }
  const draw = (text: string) => {
    clear()
    bar = text
    if (bar !== '') err.write(bar)
  }

  return {
    json,
    width,
    height: out.isTTY === true && env.TERM !== 'dumb' && !json ? (out.rows ?? 24) : undefined,
    source,
    colour,
    write: (text) => !json && out.write(text),
    line: (text = '') => !json && print(out, wrap(text, width)),
    table: (rows) => !json && print(out, columns(rows, width)),
    emit: (value) => json && print(out, JSON.stringify(value)),
    note: (text) => !quiet && print(err, tint.dim(wrap(text, width))),
    warn: (text) => print(err, tint.yellow(wrap(text, width))),
    progress(label, total, before = 0) {
      const began = performance.now()
      let count = before
      let drawn = 0
      return {
        advance(by = 1, about = '') {
          count += by
          const now = performance.now()
          if (!live || (now - drawn < 100 && count < total)) return
          drawn = now
          draw(barText(label, count, total, (now - began) / 1000, about, err.columns ?? width, before))
        },
        done() {
          if (live) draw('')
        },
      }
    },
  }
}

/** `training ━━━━━━━━──────── 34/200 · 1 min 20 s left · loss 0.62`, cut to the width. */
export function barText(label: string, count: number, total: number, seconds: number, about: string, width: number, before = 0): string {
  const share = total > 0 ? Math.min(count / total, 1) : 1
  const filled = Math.round(share * 24)
  const left =
    count >= total ? `took ${duration(seconds)}` : count > before ? `${duration((seconds / (count - before)) * (total - count))} left` : ''
  const text = `${label} ${'━'.repeat(filled)}${'─'.repeat(24 - filled)} ${[`${count}/${total}`, left, about].filter(Boolean).join(' · ')}`
  return text.slice(0, width - 1)
}

/** `8 s`, `1 min 20 s`, `2 h 5 min`: two units at most. */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds))
  if (s < 60) return `${s} s`
  if (s < 3600) return `${Math.floor(s / 60)} min${s % 60 === 0 ? '' : ` ${s % 60} s`}`
  const minutes = Math.round(s / 60)
  return `${Math.floor(minutes / 60)} h${minutes % 60 === 0 ? '' : ` ${minutes % 60} min`}`
}

/** Breaks lines at spaces so that none is wider than the screen, except a single word; the indentation of a line is kept. */
export function wrap(text: string, width: number): string {
  return text
    .split('\n')
    .flatMap((line) => {
      const indent = line.match(/^ */)![0]
      const [first = '', ...rest] = line.slice(indent.length).split(' ')
      const rows = [indent + first]
      for (const word of rest) {
        const longer = `${rows.at(-1)} ${word}`
        if (visible(longer) <= width) rows[rows.length - 1] = longer
        else rows.push(indent + word)
      }
      return rows
    })
    .join('\n')
}

/** A text of a model's with its control characters made visible, so that it cannot command the terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what it is about
  return text.replace(/[\x00-\x08\x0b-\x1f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0))).replace(/[\x7f-\x9f]/g, '\u2421')
}

/** Rows with aligned columns: numbers to the right, words to the left, the last column wrapped. */
export function columns(rows: readonly (readonly (string | number)[])[], width: number): string {
  const widths: number[] = []
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, visible(String(cell)))
  return rows
    .map((row) => {
      const cells = row.map((cell, i) => {
        const pad = ' '.repeat(widths[i]! - visible(String(cell)))
        return typeof cell === 'number' ? pad + cell : cell + pad
      })
      const start = cells.slice(0, -1).reduce((sum, cell) => sum + visible(cell) + 2, 0)
      const last = wrap(cells.at(-1)!.trimEnd(), Math.max(width - start, 24)).replaceAll('\n', `\n${' '.repeat(start)}`)
      return [...cells.slice(0, -1), last].join('  ')
    })
    .join('\n')
}

/** How many columns a text takes, colours not counted. */
function visible(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what a colour is
  return cells(text.replace(/\x1b\[[0-9;]*m/g, ''))
}

const segmenter = new Intl.Segmenter()
const wide =
  /\p{Emoji_Presentation}|\uFE0F|[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\u3000-\u303F\uFF01-\uFF60]/u

/** How many columns of a terminal a text without colours takes: two for emoji and East Asian characters, none for what joins others. */
export function cells(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: plain ASCII, which most texts are
  if (/^[\x00-\x7f]*$/.test(text)) return text.length
  return Array.from(segmenter.segment(text)).reduce((total, { segment }) => {
    if (/^[\p{Mn}\p{Cf}]+$/u.test(segment)) return total
    return total + (wide.test(segment) ? 2 : 1)
  }, 0)
}
