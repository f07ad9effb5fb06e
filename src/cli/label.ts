import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { basename } from 'node:path'
import { dataFile, datasetId } from '../checkpoints/index.ts'
import { judgeFacts } from '../collect/judge-facts.ts'
import { writeAtomic } from '../files/index.ts'
import { spokenIn } from '../goals/index.ts'
import { UserError } from '../graph/errors.ts'
import { openStore, readPairFile, type Store, trlRows } from '../labels/index.ts'
import { loadRecipe } from '../load-recipe.ts'
import { command, exitCodes, integer, text, toggle } from './command.ts'
import { factLines } from './fact-lines.ts'
import { labelOnTerminal } from './label-on-terminal.ts'
import { openPage } from './label-page.ts'
import type { Screen } from './screen.ts'

/** People's labels: asked for on the terminal, kept in a store, and read in and written out as TRL's columns. */
export const label = command({
  name: 'label',
  about: 'Compare completions yourself: two beside each other, one key each; kept in one file that a recipe takes as its judge.',
  args: { what: text('a store (.db), a file of pairs in any form of docs/data.md, or a recipe whose judge is people') },
  flags: {
    store: text('where labels are kept; FILE.labels.db for a file of pairs', { shown: 'FILE' }),
    rater: text('your name among the raters; the name you are logged in with', { shown: 'NAME' }),
    seed: integer('seed of which side stands left', { default: 0, min: 0 }),
    open: toggle('label on a page in the browser, served on this machine alone; Ctrl-C ends it'),
    port: integer('port of the page; any that is free', { min: 1, max: 65535 }),
    import: text('read a file of pairs with what was chosen, as labels of a rater of that name', { shown: 'FILE' }),
    export: text('write what people prefer as TRL’s columns: prompt, chosen, rejected, votes', { shown: 'FILE' }),
  },
  examples: ['label pairs.jsonl --json', 'label pairs.jsonl --import pairs.jsonl'],

  async action({ what, store: place, rater: given, seed, import: from, export: to, open, port }, screen, signal) {
    const rater = given ?? nameOfUser()
    const { file, pairs } = await storeOf(what, place, screen.note)
    const store = openStore(file)
    try {
      const again = [what, ...(place === undefined ? [] : ['--store', place])].join(' ')
      if (pairs) await store.add((await pairsIn(pairs, screen)).pairs)
      const imported = from === undefined ? undefined : await importLabels(store, from, given ?? from, screen)
      const exported = to === undefined ? undefined : await exportLabels(store, to)
      if (open) return await openPage(store, { rater, seed, port }, screen, signal)
      const asks = from === undefined && to === undefined && !screen.json && screen.height !== undefined && screen.source.isTTY === true
      const left = asks ? await labelOnTerminal(store, { rater, seed }, screen, signal) : undefined
      await say(store, again, { imported, exported }, screen)
      return left === 'interrupted' ? exitCodes.interrupted : exitCodes.done
    } finally {
      await store.close()
    }
  },
})

/** The store that words on a command line mean, and the file of pairs that it is filled from. */
export async function storeOf(
  what: string,
  place?: string,
  say: (line: string) => void = () => {},
): Promise<{ file: string; pairs?: string }> {
  if (/\.(db|sqlite3?)$/.test(what)) {
    if (!existsSync(what))
      throw new UserError(`${what}: a store of labels must be there, got no such file; give a file of pairs to begin one`)
    return { file: what }
  }
  const ofHub = !existsSync(what) && !/\.[cm]?[jt]s$/.test(what) && datasetId(what) !== undefined
  const data = ofHub ? await dataFile(what, say) : what
  if (!existsSync(data)) throw new UserError(`${what}: must be a store, a file of pairs or a recipe, got no such file; check the path`)
  if (ofHub || (await holdsRows(what)))
    return { file: place ?? `${ofHub ? basename(what) : what.replace(ofRows, '')}.labels.db`, pairs: data }
  const { preferences } = await loadRecipe(what)
  const judge = preferences.kind === 'onPolicy' ? preferences.judge : undefined
  if (judge?.kind !== 'people')
    throw new UserError(
      `${what}: a recipe to label for must have people as its judge, got ${judge ? judge.kind : 'none'}; write judge: people('labels.db')`,
    )
  return { file: place ?? judge.name }
}

const ofRows = /\.(jsonl|ndjson|json|csv|tsv|parquet)(\.gz)?$/

/** Whether a file holds rows and is no recipe: a recipe in JSON is one object that says what model. */
async function holdsRows(file: string): Promise<boolean> {
  if (!ofRows.test(file)) return false
  if (!file.endsWith('.json')) return true
  try {
    const whole = JSON.parse(await readFile(file, 'utf8')) as object
    return Array.isArray(whole) || !('model' in whole)
  } catch {
    return true
  }
}

function nameOfUser(): string {
  try {
    return userInfo().username
  } catch {
    return 'me'
  }
}

async function pairsIn(file: string, screen: Screen) {
  const read = await readPairFile(file)
  const { aside } = read
  if (aside.length > 0) screen.warn(`${aside.length} row${aside.length === 1 ? '' : 's'} cannot be used, the first: ${aside[0]}`)
  return read
}

async function importLabels(store: Store, file: string, rater: string, screen: Screen) {
  const { pairs } = await pairsIn(file, screen)
  const ids = await store.add(pairs)
  const stored = await store.find(pairs)
  const labels = pairs.flatMap(({ votes, a }, i) => {
    if (!votes) return []
    const [one, two] = JSON.stringify(stored[i]!.a) === JSON.stringify(a) ? votes : [votes[1], votes[0]]
    return [{ pair: ids[i]!, rater, choice: one > two ? ('a' as const) : one < two ? ('b' as const) : ('tie' as const) }]
  })
  await store.label(labels)
  return { file, pairs: pairs.length, labels: labels.length, rater }
}

async function exportLabels(store: Store, file: string) {
  const { rows, open, ties } = trlRows(await store.pairs(), await store.labels())
  await writeAtomic(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  return { file, rows: rows.length, open, ties }
}

interface Done {
  readonly imported: Awaited<ReturnType<typeof importLabels>> | undefined
  readonly exported: Awaited<ReturnType<typeof exportLabels>> | undefined
}

async function say(store: Store, again: string, { imported, exported }: Done, screen: Screen) {
  const counts = await store.counts()
  const facts = judgeFacts(await spokenIn(store))
  screen.emit({ store: store.file, ...counts, ...facts, ...(imported ? { imported } : {}), ...(exported ? { exported } : {}) })
  if (imported) screen.line(`${imported.labels} labels of ${imported.pairs} pairs were read from ${imported.file}, as ${imported.rater}'s.`)
  if (exported)
    screen.line(
      `${exported.rows} pairs are in ${exported.file}; left out: ${exported.open} that nobody has judged, ${exported.ties} with neither side better.`,
    )
  screen.line(`${store.file}: ${counts.labelled} of ${counts.pairs} pairs have a label.`)
  for (const line of factLines(facts, screen)) screen.line(line)
  if (counts.labelled < counts.pairs) screen.note(`Label on a terminal: innate label ${again}`)
}
