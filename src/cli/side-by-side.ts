import { cells, printable, type Screen, wrap } from './screen.ts'

/** Texts that grow beside each other. */
export interface SideBySide {
  push(column: number, piece: string): void
  end(): void
}

/** Columns narrower than this are hard to read; texts then come one after the other. */
const NARROWEST = 36
const GAP = 3

/** Whether a screen has room for this many texts beside each other, and can be written over. */
export function fitsBeside(screen: Screen, texts: number): boolean {
  return screen.height !== undefined && (screen.width - GAP * (texts - 1)) / texts >= NARROWEST
}

/**
 * Writes texts beside each other as they grow, each under its name.
 *
 * limits  what has scrolled off the top is not written over; when a slower text had more to say there, all is written once more at the end
 */
export function sideBySide(screen: Screen, names: readonly string[]): SideBySide {
  const width = Math.floor((screen.width - GAP * (names.length - 1)) / names.length)
  const texts = names.map(() => '')
  let fixed: string[] = []
  let drawn = 0
  let last = 0

  const row = (columns: readonly string[]) =>
    columns
      .map((text) => text + ' '.repeat(Math.max(0, width - cells(text))))
      .join(' │ ')
      .trimEnd()
  const rows = () => {
    const lines = texts.map((text) => broken(printable(text).trim(), width))
    return Array.from({ length: Math.max(...lines.map(({ length }) => length)) }, (_, i) => row(lines.map((of) => of[i] ?? '')))
  }
  const draw = () => {
    const all = rows()
    const scrolled = Math.max(fixed.length, all.length - (screen.height! - 2))
    const back = drawn > 0 ? `\x1b[${drawn}A` : ''
    const shown = all.slice(fixed.length)
    screen.write(`${back}\r\x1b[J${shown.map((line) => `${line}\n`).join('')}`)
    fixed = [...fixed, ...all.slice(fixed.length, scrolled)]
    drawn = all.length - fixed.length
  }

  screen.write(`${screen.colour.dim(row(names))}\n`)
  return {
    push(column, piece) {
      texts[column] += piece
      const now = performance.now()
      if (now - last < 40) return
      last = now
      draw()
    },
    end() {
      draw()
      const all = rows()
      if (!fixed.every((line, i) => line === all[i])) screen.write(`\n${screen.colour.dim(row(names))}\n${all.join('\n')}\n`)
    },
  }
}

/** Lines no wider than this, words that are wider broken too. */
export function broken(text: string, width: number): string[] {
  return wrap(text, width)
    .split('\n')
    .flatMap((line) => {
      const lines = ['']
      for (const character of cells(line) > width ? line : []) {
        if (cells(lines.at(-1)! + character) > width) lines.push('')
        lines[lines.length - 1] += character
      }
      return cells(line) > width ? lines : [line]
    })
}
