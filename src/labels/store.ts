import { hashText } from '../files/index.ts'
import { UserError } from '../graph/errors.ts'
import { random } from '../random/index.ts'
import { atomically, connect, type Database } from './connection.ts'
import { prepareStore } from './schema.ts'

/** A turn of a talk. */
export interface Turn {
  readonly role: string
  readonly content: string
}

/** A prompt or a completion: plain text, or turns of a talk. */
export type Said = string | readonly Turn[]

/** Two completions of a prompt that people compare. */
export interface StoredPair {
  readonly id: number
  readonly prompt: Said
  readonly a: Said
  readonly b: Said
  /** Where it came from: a file, or a round of a run. */
  readonly source: string
}

/** A pair before it is in a store. */
export type NewPair = Omit<StoredPair, 'id'> & { /** How much a label on it would tell; more comes first. */ readonly priority?: number }

/** What a person can say of a pair. */
export const choices = ['a', 'b', 'tie', 'none', 'skip'] as const
/** The better side; equally good; no preference; or not judged. */
export type Choice = (typeof choices)[number]

/** One person's word on a pair. */
export interface Label {
  readonly pair: number
  readonly rater: string
  readonly choice: Choice
  /** The side that stood first, or left; undefined where it is not known. */
  readonly first?: 'a' | 'b'
  /** 1 unsure, 2 fairly sure, 3 sure. */
  readonly confidence?: 1 | 2 | 3
  readonly note?: string
  readonly at: string
}

/** A label before it is in a store. */
export type NewLabel = Omit<Label, 'at'> & { readonly at?: string }

/** What is asked next of a rater. */
export interface Question {
  readonly pair: StoredPair
  readonly first: 'a' | 'b'
}

/** How far labelling is. */
export interface Counts {
  readonly pairs: number
  /** Pairs with at least one label that is no skip. */
  readonly labelled: number
  /** Labels of each rater, skips apart. */
  readonly raters: Readonly<Record<string, { readonly labels: number; readonly skipped: number; readonly left: number }>>
}

/** People's labels in one SQLite file, which several processes may use at once. */
export interface Store {
  readonly file: string
  /** Adds pairs that are not there yet, in one transaction, and gives the ids of all in their order. A pair is the same whichever side is called a. */
  add(pairs: readonly NewPair[]): Promise<number[]>
  /** What tells most and nobody has labelled comes first, then what others have; undefined when this rater has said something on every pair. */
  next(rater: string, seed: number): Promise<Question | undefined>
  /** Keeps labels, in one transaction; a rater's new label on a pair takes the place of the old one. They are on disk when the promise is kept. */
  label(labels: readonly NewLabel[]): Promise<void>
  /** Takes back a rater's newest label, and gives it. */
  undo(rater: string): Promise<Label | undefined>
  labels(): Promise<Label[]>
  pairs(): Promise<StoredPair[]>
  /** The pairs of these texts, sides as they are stored; undefined where one is not there. */
  find(pairs: readonly Pick<NewPair, 'prompt' | 'a' | 'b'>[]): Promise<(StoredPair | undefined)[]>
  counts(): Promise<Counts>
  close(): Promise<void>
}

/**
 * Opens a store of labels, or makes one.
 *
 * throws  UserError as connect and prepareStore; from `label` for a choice, confidence or pair that cannot be
 */
export function openStore(file: string): Store {
  const { use, close } = connect(file, (db) => prepareStore(file, db))
  return {
    file,
    add: (pairs) => use((db) => atomically(db, () => added(db, pairs))),
    next: (rater, seed) => use((db) => nextFor(db, rater, seed)),
    label: (labels) => use((db) => atomically(db, () => keep(db, file, labels))),
    undo: (rater) => use((db) => takeBack(db, rater)),
    labels: () => use((db) => db.all('SELECT * FROM label ORDER BY id').map(labelOf)),
    pairs: () => use((db) => db.all('SELECT * FROM pair ORDER BY id').map(pairOf)),
    find: (pairs) => use((db) => pairs.map((pair) => found(db, pair))),
    counts: () => use(countsOf),
    close,
  }
}

type Row = Readonly<Record<string, unknown>>

function added(db: Database, pairs: readonly NewPair[]): number[] {
  const insert = db.prepare(
    `INSERT INTO pair (key, prompt, a, b, source, priority) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (key) DO UPDATE SET priority = max(priority, excluded.priority) RETURNING id`,
  )
  try {
    return pairs.map((pair) => {
      const { prompt, a, b, source, priority = 0 } = pair
      const texts = [prompt, a, b].map((said) => JSON.stringify(said))
      return Number(insert.get([keyOfPair(pair), ...texts, source, priority])!.id)
    })
  } finally {
    insert.finalize()
  }
}

/** The same for a pair whichever side is called a. */
function keyOfPair({ prompt, a, b }: Pick<NewPair, 'prompt' | 'a' | 'b'>): string {
  return hashText(JSON.stringify([prompt, ...[JSON.stringify(a), JSON.stringify(b)].sort()]))
}

function found(db: Database, pair: Pick<NewPair, 'prompt' | 'a' | 'b'>): StoredPair | undefined {
  const row = db.get('SELECT * FROM pair WHERE key = ?', [keyOfPair(pair)])
  return row ? pairOf(row) : undefined
}

function nextFor(db: Database, rater: string, seed: number): Question | undefined {
  const row = db.get(
    `SELECT pair.*, (SELECT count(*) FROM label WHERE label.pair = pair.id AND choice <> 'skip') AS said FROM pair
     WHERE NOT EXISTS (SELECT 1 FROM label WHERE label.pair = pair.id AND rater = ?) ORDER BY said, priority DESC, pair.id LIMIT 1`,
    [rater],
  )
  if (!row) return undefined
  return { pair: pairOf(row), first: random(seed, `place/${rater}/${(row as Row).key}`).uniform() < 0.5 ? 'a' : 'b' }
}

function keep(db: Database, file: string, labels: readonly NewLabel[]): void {
  const insert = db.prepare('INSERT OR REPLACE INTO label (pair, rater, choice, first, confidence, note, at) VALUES (?, ?, ?, ?, ?, ?, ?)')
  const known = db.prepare('SELECT 1 FROM pair WHERE id = ?')
  try {
    for (const label of labels) {
      checkLabel(file, label)
      const { pair, rater, choice, first = null, confidence = null, note = null, at = new Date().toISOString() } = label
      if (!known.get([pair])) throw new UserError(`${file}: a label must be on a pair of the store, got pair ${pair}; ask for the next one`)
      insert.run([pair, rater, choice, first, confidence, note, at])
    }
  } finally {
    insert.finalize()
    known.finalize()
  }
}

function checkLabel(file: string, { pair, rater, choice, first, confidence, note }: NewLabel): void {
  const refuse = (field: string, rule: string, got: unknown): never => {
    throw new UserError(`${file}: ${field} of a label must be ${rule}, got ${JSON.stringify(got)}; mend it`)
  }
  if (!Number.isSafeInteger(pair)) refuse('pair', 'the number of a pair', pair)
  if (typeof rater !== 'string' || rater.trim() === '' || rater.length > 100) refuse('rater', 'a name of 1 to 100 characters', rater)
  if (!choices.includes(choice)) refuse('choice', `one of ${choices.join(', ')}`, choice)
  if (first !== undefined && first !== 'a' && first !== 'b') refuse('first', 'a or b', first)
  if (confidence !== undefined && ![1, 2, 3].includes(confidence)) refuse('confidence', '1, 2 or 3', confidence)
  if (note !== undefined && (typeof note !== 'string' || note.length > 10_000)) refuse('note', 'a text of at most 10000 characters', note)
}

function takeBack(db: Database, rater: string): Label | undefined {
  const row = db.get('DELETE FROM label WHERE id = (SELECT max(id) FROM label WHERE rater = ?) RETURNING *', [rater])
  return row ? labelOf(row) : undefined
}

function countsOf(db: Database): Counts {
  const n = (sql: string) => Number(db.get(sql)!.n)
  const pairs = n('SELECT count(*) AS n FROM pair')
  const raters = db.all(
    "SELECT rater, sum(choice <> 'skip') AS labels, sum(choice = 'skip') AS skipped FROM label GROUP BY rater ORDER BY rater",
  )
  return {
    pairs,
    labelled: n("SELECT count(DISTINCT pair) AS n FROM label WHERE choice <> 'skip'"),
    raters: Object.fromEntries(
      raters.map(({ rater, labels, skipped }) => [
        String(rater),
        { labels: Number(labels), skipped: Number(skipped), left: pairs - Number(labels) - Number(skipped) },
      ]),
    ),
  }
}

function pairOf(row: Row): StoredPair {
  const said = (text: unknown) => JSON.parse(String(text)) as Said
  return { id: Number(row.id), prompt: said(row.prompt), a: said(row.a), b: said(row.b), source: String(row.source) }
}

function labelOf({ pair, rater, choice, first, confidence, note, at }: Row): Label {
  return {
    pair: Number(pair),
    rater: String(rater),
    choice: choice as Choice,
    at: String(at),
    ...(first === null ? {} : { first: first as 'a' | 'b' }),
    ...(confidence === null ? {} : { confidence: Number(confidence) as 1 | 2 | 3 }),
    ...(note === null ? {} : { note: String(note) }),
  }
}
