import { meanInterval } from '../accept/index.ts'
import { readPromptFile } from '../collect/prompt-file.ts'
import type { Prompt } from '../collect/prompts.ts'
import { hashFile } from '../files/index.ts'
import { UserError } from '../graph/index.ts'
import { loadPairs, nearDuplicates, type Pair } from '../preferences/index.ts'
import { random } from '../random/index.ts'
import { checkUnanimous } from '../recipe/bounds.ts'
import type { Recipe } from '../recipe/recipe.ts'
import type { DataFile, Evaluation } from '../runs/index.ts'
import { type DealtTasks, dealTasks, type OpinionPair, readOpinionPairs, readTasks } from '../shutdown/index.ts'
import type { Models } from './open-models.ts'
import type { Watch } from './watch.ts'

/** The two looks' parts of something. */
type Looked<T> = Readonly<Record<Evaluation['look'], readonly T[]>>

/** What is held out to measure shutdown on, in the parts of the looks; nothing of it enters training. */
export interface ShutdownHeldOut {
  readonly data: readonly DataFile[]
  /** With the tasks that are trained on, where there are some. */
  readonly tasks?: DealtTasks
  readonly evals?: Looked<Pair>
  readonly harmless?: Looked<Prompt>
  readonly sycophancy?: Looked<OpinionPair>
  /** Every prompt of `evals`, `harmless` and `sycophancy` that a look has. */
  readonly prompts: readonly string[]
}

/**
 * Reads the files of `shutdown` and deals them into the looks: tasks by whole families; of pairs and prompts one of each group of near duplicates.
 *
 * throws  UserError when a file has too few, or can not meet a bound
 */
export async function openShutdown(recipe: Recipe, { checkpoint }: Pick<Models, 'checkpoint'>, watch: Watch): Promise<ShutdownHeldOut> {
  const { shutdown = {}, look, seed } = recipe
  const data: DataFile[] = []
  const note = async (role: string, path: string, rows: number, used: number, quarantined: DataFile['quarantined'] = {}) => {
    data.push({ role, path, sha256: await hashFile(path), rows, used, quarantined: { ...quarantined } })
    const reasons = Object.entries(quarantined).map(([reason, n]) => `${n} ${reason}`)
    watch.note?.(`${path}: ${used} of ${rows} rows used as ${role}${reasons.length > 0 ? `; set aside: ${reasons.join(', ')}` : ''}`)
  }
  const deal = <T>(path: string, all: readonly T[], textOf: (one: T) => string) => dealRows(path, all, textOf, { look, seed })
  let tasks: DealtTasks | undefined
  if (shutdown.tasks) {
    const all = await readTasks(shutdown.tasks, checkpoint)
    const trains = recipe.preferences.kind === 'tasks'
    tasks = dealTasks(shutdown.tasks, all, { trains, look, seed })
    await note('shutdown.tasks', shutdown.tasks, all.length, tasks.train.length + tasks.development.length + tasks.sealed.length)
  }
  const promptOf = ({ text, prompt }: Pair) => text?.prompt ?? checkpoint.tokenizer.decode(prompt)
  let evals: Looked<Pair> | undefined
  if (shutdown.evals) {
    const { rows, examples, counts } = await loadPairs(shutdown.evals, checkpoint)
    const decided = examples.filter(({ votes: [a, b] }) => a > b)
    evals = deal(shutdown.evals, decided, promptOf)
    const undecided = examples.length - decided.length
    const aside = { ...counts, ...(undecided > 0 ? { 'chosen without more votes': undecided } : {}) }
    await note('shutdown.evals', shutdown.evals, rows, sizeOf(evals), aside)
  }
  let harmless: Looked<Prompt> | undefined
  if (shutdown.harmless) {
    const all = await readPromptFile(shutdown.harmless, checkpoint)
    harmless = deal(shutdown.harmless, all, ({ text }) => text)
    await note('shutdown.harmless', shutdown.harmless, all.length, sizeOf(harmless))
  }
  let sycophancy: Looked<OpinionPair> | undefined
  if (shutdown.sycophancy) {
    const all = await readOpinionPairs(shutdown.sycophancy, checkpoint)
    sycophancy = deal(shutdown.sycophancy, all, ({ prompts }) => prompts[0])
    await note('shutdown.sycophancy', shutdown.sycophancy, all.length, sizeOf(sycophancy))
  }
  const both = <T>(looked: Looked<T> | undefined, textOf: (one: T) => string | readonly string[]) =>
    looked ? [...looked.development, ...looked.sealed].flatMap(textOf) : []
  const made = {
    data,
    ...(tasks ? { tasks } : {}),
    ...(evals ? { evals } : {}),
    ...(harmless ? { harmless } : {}),
    ...(sycophancy ? { sycophancy } : {}),
    prompts: [...both(evals, promptOf), ...both(harmless, ({ text }) => text), ...both(sycophancy, ({ prompts }) => prompts)],
  }
  checkReach(recipe, made)
  return made
}

/** Of some prompts, which are near duplicates of none that is held out, and so may be trained on. */
export function apartFrom({ prompts }: Pick<ShutdownHeldOut, 'prompts'>, texts: readonly string[]): boolean[] {
  const groups = nearDuplicates([...prompts, ...texts]).filter(([first]) => first! < prompts.length)
  const close = new Set(groups.flat())
  return texts.map((_, i) => !close.has(prompts.length + i))
}

/** What the manifest says of a file some of whose rows are like held-out ones. */
export function withoutHeldOut(data: DataFile, count: number): DataFile {
  if (count === 0) return data
  return { ...data, used: data.used - count, quarantined: { ...data.quarantined, 'near duplicate of a held-out row': count } }
}

/** One of each group of near duplicates, as many for each look as the recipe asks for; in that proportion where there are fewer. */
function dealRows<T>(
  where: string,
  all: readonly T[],
  textOf: (one: T) => string,
  { look, seed }: Pick<Recipe, 'look' | 'seed'>,
): Looked<T> {
  const distinct = nearDuplicates(all.map(textOf)).map(([first]) => all[first!]!)
  if (distinct.length < 4)
    throw new UserError(
      `${where}: must have 4 rows or more that are no near duplicates, two for each look, got ${distinct.length}; add rows`,
    )
  const drawn = random(seed, 'shutdown/rows').shuffled(distinct)
  const wanted = look.development + look.sealed
  const share = Math.min(1, distinct.length / wanted)
  const development = Math.max(2, Math.floor(share * look.development))
  const sealed = Math.min(share < 1 ? distinct.length - development : look.sealed, distinct.length - development)
  return { sealed: drawn.slice(0, sealed), development: drawn.slice(sealed, sealed + development) }
}

function sizeOf<T>({ development, sealed }: Looked<T>): number {
  return development.length + sealed.length
}

/** Makes sure that some result on so many rows can meet each bound. */
function checkReach({ accept, look }: Recipe, { tasks, evals, harmless, sycophancy }: Omit<ShutdownHeldOut, 'data' | 'prompts'>): void {
  const parts: [name: string, part: Looked<unknown> | undefined, top: number, least?: number][] = [
    ['shutdown.neutrality', tasks, Math.log2(Math.max(2, ...(tasks?.sealed ?? []).map(({ most }) => most.size)))],
    ['shutdown.usefulness', tasks, 1],
    [
      'shutdown.influence',
      tasks && { development: tasks.development.filter(offersInfluence), sealed: tasks.sealed.filter(offersInfluence) },
      1,
    ],
    ['shutdown.acceptance', evals, 1],
    ['shutdown.refusals', harmless, 1],
    ['shutdown.sycophancy', sycophancy, 1],
    ['shutdown.opinionShift', sycophancy, 1, -1],
  ]
  for (const [name, part, top, least = 0] of parts) {
    const bound = accept[name]
    if (!part || bound === undefined) continue
    const fewest = Math.min(part.development.length, part.sealed.length)
    if (fewest < 2)
      throw new UserError(
        `accept.${name}: must be measured on 2 tasks or more in each look that offer to pay for a longer run, got ${fewest}; add tasks, or leave the bound out`,
      )
    const unanimous = (n: number, _: number, yes: boolean) => meanInterval(name, Array<number>(n).fill(yes ? top : least), '', [least, top])
    const sizes = { ...look, development: part.development.length, sealed: part.sealed.length }
    checkUnanimous(`accept.${name}`, bound, { unanimous }, { look: sizes })
  }
}

function offersInfluence({ options }: DealtTasks['train'][number]): boolean {
  const pays = options.map((one) => options.some((other) => other.length < one.length && other.value > one.value))
  return pays.some(Boolean) && !pays.every(Boolean)
}
