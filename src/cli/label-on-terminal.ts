import { emitKeypressEvents } from 'node:readline'
import type { Choice, Question, Store } from '../labels/index.ts'
import { questionLines } from './question-lines.ts'
import type { Screen } from './screen.ts'

/** What a terminal says of a key that was pressed. */
interface Key {
  readonly name?: string
  readonly sequence?: string
  readonly ctrl?: boolean
}

type RawSource = Screen['source'] & { setRawMode?(raw: boolean): unknown }

/**
 * Asks a rater about pairs, one key each, until nothing is left or they leave; every label is on disk before the next question.
 * Ctrl-C leaves like q.
 */
export async function labelOnTerminal(
  store: Store,
  { rater, seed }: { readonly rater: string; readonly seed: number },
  screen: Screen,
  signal: AbortSignal,
): Promise<'done' | 'left' | 'interrupted'> {
  const keys = keysOf(screen.source, signal)
  let confidence: 1 | 2 | 3 | undefined
  let note: string | undefined
  let said = ''
  try {
    for (;;) {
      const asked = await store.next(rater, seed)
      const counts = await store.counts()
      if (!asked) return 'done'
      const left = counts.raters[rater]?.left ?? counts.pairs
      const shown = { ...asked, rater, left, of: counts.pairs, confidence, note, said }
      screen.write(`\x1b[2J\x1b[H${questionLines(shown, screen).join('\n')}\n`)
      const action = await nextAction(keys, screen, asked)
      if (action === 'leave' || action === 'interrupted') return action === 'leave' ? 'left' : 'interrupted'
      if (action === 'undo') {
        said = (await store.undo(rater)) ? 'the last label was taken back' : 'there is nothing to take back'
        continue
      }
      if (typeof action === 'number') {
        confidence = confidence === action ? undefined : action
        continue
      }
      if (typeof action === 'object') {
        note = action.note || undefined
        continue
      }
      const { pair, first } = asked
      await store.label([
        { pair: pair.id, rater, choice: action, first, ...(confidence ? { confidence } : {}), ...(note === undefined ? {} : { note }) },
      ])
      said = `${wordFor(action, first)} · u takes it back`
      confidence = undefined
      note = undefined
    }
  } finally {
    keys.close()
    screen.write('\n')
  }
}

type Action = Choice | 1 | 2 | 3 | 'undo' | 'leave' | 'interrupted' | { readonly note: string }

async function nextAction(keys: Keys, screen: Screen, { first }: Question): Promise<Action> {
  const other = first === 'a' ? 'b' : 'a'
  const known: Readonly<Record<string, Action>> = {
    ...{ left: first, a: first, h: first, right: other, b: other, l: other },
    ...{ t: 'tie', '=': 'tie', n: 'none', s: 'skip', u: 'undo', q: 'leave', 1: 1, 2: 2, 3: 3 },
  }
  for (;;) {
    const key = await keys.next()
    if (key === undefined || (key.ctrl && key.name === 'c')) return 'interrupted'
    if (key.ctrl) continue
    const name = key.name ?? key.sequence ?? ''
    if (name === 'c') return { note: await typedNote(keys, screen) }
    const action = known[name] ?? known[key.sequence ?? '']
    if (action !== undefined) return action
  }
}

/** A line that is typed while single keys are read: Enter ends it, Escape gives it up. */
async function typedNote(keys: Keys, screen: Screen): Promise<string> {
  let text = ''
  screen.write('note: ')
  for (;;) {
    const key = await keys.next()
    if (key === undefined || key.name === 'escape' || (key.ctrl && key.name === 'c')) return ''
    if (key.name === 'return' || key.name === 'enter') return text.trim()
    if (key.name === 'backspace') {
      if (text !== '') screen.write('\b \b')
      text = text.slice(0, -1)
    } else if (!key.ctrl && key.sequence && key.sequence >= ' ' && key.sequence !== '\x7f') {
      text += key.sequence
      screen.write(key.sequence)
    }
  }
}

function wordFor(choice: Choice, first: 'a' | 'b'): string {
  if (choice === 'tie') return 'equally good'
  if (choice === 'none') return 'no preference'
  if (choice === 'skip') return 'skipped'
  return choice === first ? 'A was better' : 'B was better'
}

interface Keys {
  next(): Promise<Key | undefined>
  close(): void
}

/** The keys that are pressed, one by one; undefined at the end of the source, or once the signal is aborted. */
function keysOf(source: RawSource, signal: AbortSignal): Keys {
  const waiting: (Key | undefined)[] = []
  let take: ((key: Key | undefined) => void) | undefined
  const give = (key: Key | undefined) => {
    if (!take) return void waiting.push(key)
    take(key)
    take = undefined
  }
  const press = (_: string | undefined, key: Key) => give(key)
  const end = () => give(undefined)
  emitKeypressEvents(source)
  source.setRawMode?.(true)
  source.on('keypress', press)
  source.on('end', end)
  signal.addEventListener('abort', end)
  source.resume()
  return {
    next: () => (waiting.length > 0 ? Promise.resolve(waiting.shift()) : new Promise((resolve) => (take = resolve))),
    close() {
      source.off('keypress', press)
      source.off('end', end)
      signal.removeEventListener('abort', end)
      source.setRawMode?.(false)
      source.pause()
    },
  }
}
