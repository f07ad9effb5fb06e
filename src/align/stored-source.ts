import { stat } from 'node:fs/promises'
import { dataFile } from '../checkpoints/index.ts'
import { hashFile } from '../files/index.ts'
import { checkGoals, softLabel } from '../goals/index.ts'
import { UserError } from '../graph/index.ts'
import type { Example, Unscored } from '../objectives/index.ts'
import { scoreTrees, type Tree } from '../policy/index.ts'
import { kindOfFile, type Labelled, type Pair, readAs, type Stored, storePreferences } from '../preferences/index.ts'
import type { FromFile, Recipe } from '../recipe/recipe.ts'
import type { DataFile } from '../runs/index.ts'
import { loadChatTemplate } from '../text/index.ts'
import { checkWarmup, planSteps } from '../train/index.ts'
import { trainWork } from './estimate.ts'
import { logRatioMeasures } from './held-out.ts'
import { checkKind } from './load-preferences.ts'
import { goalsOf, heeding, type Models, readBy } from './open-models.ts'
import { orderOf } from './train-into.ts'
import type { TrainingSource } from './train-run.ts'
import { shownPrompts } from './train-samples.ts'
import type { Watch } from './watch.ts'

/** Larger files are kept beside memory. units bytes, as the file lies on the disk; packed ones hold some three times as much */
const large = 2 ** 26
const packed = 3
/** So many rows are scored at once where all of a part are, and so many are looked at for what a report shows. */
const [atOnce, shownOf] = [64, 64]

/** Whether a recipe's file is so large that its rows are to be asked for one by one, and nothing needs all of them at once. */
export async function takesOneByOne({ pairs }: FromFile, { prior, loss, objective }: Recipe, watch: Watch): Promise<boolean> {
  const all: readonly string[] = ['prefixes', 'tokens', 'referenceTokens', 'teacher']
  if (prior || loss || objective.whole || objective.kind.scores || objective.needs.some((need) => all.includes(need))) return false
  const path = await dataFile(pairs, (line) => watch.note?.(line))
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  )
  return size * (/\.(gz|parquet)$/.test(path) ? packed : 1) > large
}

/** An example that is not there yet: its completions say which sides of which row it is of. */
interface Handle extends Example {
  readonly at: number
}
const side = [[0], [1]] as const

/**
 * A file of pairs or labelled completions of any length, with the part of it that is held out: its tokens lie beside memory, and the reference
 * scores what a step takes when it takes it.
 *
 * throws  UserError for what is wrong with recipe or file
 */
export async function openStored(from: FromFile, recipe: Recipe, models: Models, watch: Watch): Promise<TrainingSource> {
  const { objective } = recipe
  await checkGoals(goalsOf(recipe), readBy(models))
  const { stored, data } = await storedRows(from, recipe, models, watch)
  const train: number[] = []
  const heldOut: number[] = []
  for (let i = 0; i < stored.size; i++) (stored.facts(i).place < 1 - from.heldOut ? train : heldOut).push(i)
  if (train.length > 0 && !recipe.gap && train.every((i) => stored.facts(i).gap === 1))
    throw new UserError(
      `${from.pairs}: must have pairs with a preference, got ${train.length} gaps, which train nothing; add votes, or gap.weight`,
    )
  if (train.length === 0)
    throw new UserError(`preferences.heldOut: must leave pairs to train on, got ${from.heldOut} of ${stored.size} rows; lower it`)
  const examples = train.flatMap((i) => handlesOf(stored, i, recipe))
  const some = (part: readonly number[]) => part.slice(0, shownOf).map((i) => stored.row(i))
  const promptsOf = (part: readonly number[]) => some(part).map(({ prompt }) => prompt)
  return {
    data,
    quarantined: stored.quarantined,
    shown: shownPrompts(promptsOf(heldOut), promptsOf(train), models),
    inside: some(heldOut.length > 1 ? heldOut : train).map((row) => [...row.prompt, ...('chosen' in row ? row.chosen : row.completion)]),
    work: async (steps) => trainWork(recipe.train, sizeOf(stored, examples), steps),
    async examples() {
      checkWarmup(recipe.train.schedule, planSteps({ objective, examples, ...orderOf(recipe, 0) }).steps)
      return { examples, load: (now) => loaded(stored, now as readonly Handle[], models) }
    },
    async heldOut() {
      if (from.heldOut === 0) return undefined
      const measured = await heldOutMeasures(stored, heldOut, models)
      if (!('tooFew' in measured)) return measured
      watch.note?.(`a held-out figure needs ${measured.tooFew}; raise preferences.heldOut`)
      return undefined
    },
    close: () => stored.close(),
  }
}

async function storedRows(
  from: FromFile,
  { seed, objective }: Recipe,
  { checkpoint, signal }: Models,
  watch: Watch,
): Promise<{ stored: Stored; data: DataFile }> {
  const { boundary, maxLength, truncate, columns } = from
  const path = await dataFile(from.pairs, (line) => watch.note?.(line))
  const kind = await kindOfFile(path, columns)
  checkKind(path, kind, objective)
  const template = await loadChatTemplate(checkpoint.folder)
  const bar = watch.progress?.('rows, in MB', Math.ceil(((await stat(path)).size * (/\.(gz|parquet)$/.test(path) ? packed : 1)) / 1e6))
  let [read, told] = [0, 0]
  const stored = await storePreferences(path, kind, checkpoint, {
    ...{ boundary, truncate, template, columns, splitSeed: seed, ...(maxLength ? { maxLength } : {}) },
    onRead(size) {
      signal?.throwIfAborted()
      read += size
      bar?.advance(Math.floor(read / 1e6) - told)
      told = Math.floor(read / 1e6)
    },
  })
  bar?.done()
  const { rows, size, quarantined, counts, dialects, truncated, gaps } = stored
  const reasons = Object.entries(counts).map(([reason, n]) => `${n} ${reason}`)
  const more = [
    ...(gaps > 0 ? [`${gaps} are gaps, without a preference`] : []),
    ...(truncated > 0 ? [`${truncated} cut to fit`] : []),
    ...(reasons.length > 0 ? [`${quarantined.length} set aside (${reasons.join(', ')})`] : []),
  ]
  watch.note?.([`${path}: ${size} usable rows of ${rows}, read as ${readAs(dialects)}`, ...more].join('; '))
  const data = { role: 'preferences', path, sha256: await hashFile(path), rows, used: size, quarantined: { ...counts } }
  return { stored, data: { ...data, ...(gaps > 0 ? { gaps } : {}) } }
}

/** What a row is trained on as, before it is read: a pair with its soft label, or a labelled completion. */
function handlesOf(stored: Stored, at: number, { gap: keepsGaps, objective }: Recipe): Handle[] {
  const { votesA, votesB, gap } = stored.facts(at)
  if (stored.kind === 'labelled') return [{ at, tree: single, reference: [], label: votesA > votesB ? 1 : 0 }]
  if (gap) return keepsGaps ? [{ at, tree: both, reference: [], label: 0.5, gap: true }] : []
  const made = objective.kind.ofPair!({ tree: both, label: softLabel([votesA, votesB], 0.5, 0) })
  return made.map((example) => ({ ...example, reference: [], at }))
}
const both: Tree = { prompt: [], completions: [side[0], side[1]] }
const single: Tree = { prompt: [], completions: [side[0]] }

/** The tree of a handle, with its tokens. */
function treeOf(stored: Stored, at: number, completions: Tree['completions']): Tree {
  const row = stored.row(at)
  const sides = 'chosen' in row ? [row.chosen, row.rejected] : [row.completion]
  return { prompt: row.prompt, completions: completions.map(([which]) => sides[which!]!) }
}

/** The examples of a step, with the reference's word on them. */
async function loaded(stored: Stored, now: readonly Handle[], { reference }: Models): Promise<Example[]> {
  const trees = now.map(({ at, tree }) => treeOf(stored, at, tree.completions))
  const logps = await reference.logps(trees)
  let slot = 0
  return now.map(({ at: _, ...example }, i) => {
    const count = trees[i]!.completions.length
    slot += count
    return { ...example, tree: trees[i]!, reference: logps.slice(slot - count, slot) }
  })
}

function sizeOf(stored: Stored, examples: readonly (Handle | Unscored)[]) {
  let [prompts, completions] = [0, 0]
  for (const { at, tree } of examples as readonly Handle[]) {
    const { prompt, a, b } = stored.facts(at)
    prompts += prompt
    for (const [which] of tree.completions) completions += which === 0 ? a : b
  }
  return { count: examples.length, prompts, completions }
}

/** What rows that were not trained on say, read some at a time. */
function heldOutMeasures(stored: Stored, rows: readonly number[], models: Models) {
  const { lookPolicy, reference } = models
  const heard = heeding(models)
  // A row stands for itself by its place: a prompt by its hash, a side by the place and which it is.
  const handles = rows.map((at): Pair | Labelled => {
    const { promptHash, votesA, votesB, gap } = stored.facts(at)
    if (stored.kind === 'labelled') return { row: at, prompt: [promptHash], completion: [0, at], label: votesA > votesB }
    return { row: at, prompt: [promptHash], chosen: [0, at], rejected: [1, at], votes: [votesA, votesB], ...(gap ? { gap: true } : {}) }
  })
  return logRatioMeasures(async (trees) => {
    const ratios: number[] = []
    for (let from = 0; from < trees.length; from += atOnce) {
      const real = trees.slice(from, from + atOnce).map(({ completions }) => treeOf(stored, completions[0]![1]!, completions))
      const [mine, theirs] = [await scoreTrees(lookPolicy, real, {}, heard), await reference.logps(real, heard)]
      for (const [i, logp] of mine.entries()) ratios.push(logp - theirs[i]!)
    }
    return ratios
  }, handles)
}
