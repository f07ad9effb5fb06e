import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import type { Screen } from './screen.ts'

/** The lines that are typed or piped to a command, and the Ctrl-C between them. */
export interface TypedLines {
  /** The next line; undefined at the end, at Ctrl-D, and at Ctrl-C while it waits. */
  next(): Promise<string | undefined>
  /** Does something that Ctrl-C ends without ending more; what is typed meanwhile waits. */
  during<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T>
  close(): void
}

/** Reads lines from a screen's source, on a terminal after a prompt and with the line editing of readline; `signal` ends it from outside. */
export function typedLines({ source, height, write }: Screen, prompt: string, signal: AbortSignal): TypedLines {
  const terminal = source.isTTY === true && height !== undefined
  let silent = false
  // While a model speaks, what is typed is kept for the next line but not echoed into its text.
  const output = new Writable({
    write(chunk, _, done) {
      if (!silent) write(String(chunk))
      done()
    },
  })
  const reader = createInterface({ input: source, terminal, ...(terminal ? { output, prompt } : {}) })
  const waiting: string[] = []
  let ended = signal.aborted
  let take: ((line: string | undefined) => void) | undefined
  let working: AbortController | undefined

  const give = (line: string | undefined) => {
    take?.(line)
    take = undefined
  }
  const end = () => {
    if (terminal && take) write('\n')
    ended = true
    working?.abort(signal.reason)
    give(undefined)
  }
  reader.on('line', (line) => (take ? give(line) : waiting.push(line)))
  reader.on('close', () => {
    // A piped source is read to its end before the first line is answered: its end ends no answer.
    if (terminal && take) write('\n')
    ended = true
    give(undefined)
  })
  reader.on('SIGINT', () => {
    if (working) working.abort(new Error('interrupted'))
    else end()
  })
  signal.addEventListener('abort', end)

  return {
    next() {
      const line = waiting.shift()
      if (line !== undefined || ended) return Promise.resolve(signal.aborted ? undefined : line)
      if (terminal) reader.prompt(true)
      return new Promise((resolve) => {
        take = resolve
      })
    },
    async during(work) {
      working = new AbortController()
      if (signal.aborted) working.abort(signal.reason)
      silent = true
      try {
        return await work(working.signal)
      } finally {
        working = undefined
        silent = false
      }
    },
    close() {
      signal.removeEventListener('abort', end)
      reader.close()
    },
  }
}
