import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, resolve } from 'node:path'
import { createJiti } from 'jiti'
import { z } from 'zod'
import { datasetId, hubId, models } from './checkpoints/index.ts'
import { door, doors } from './doors.ts'
import { beside, namingBeside, readJson } from './files/index.ts'
import { type Goal, goal, people, remade, votesFile } from './goals/index.ts'
import { UserError } from './graph/index.ts'
import { keepWritten } from './objectives/index.ts'
import { type Changes, changedInput } from './recipe/changed.ts'
import type { MadeGoal } from './recipe/goal-schema.ts'
import { inputOf, type Recipe, type RecipeInput, recipe } from './recipe/recipe.ts'
import type { ShutdownFiles } from './recipe/shutdown.ts'
import { withoutUndefined } from './recipe/without-undefined.ts'
import { writtenLoss } from './written-loss.ts'

/**
 * Reads a recipe from a TypeScript, JavaScript or JSON file. Paths in it are looked for beside the file, then in the current folder;
 * `run` is always in the current folder.
 *
 * throws  UserError when the file is missing, does not load, or is not a recipe, also with the changes
 */
export async function loadRecipe(path: string, changes: Changes = {}): Promise<Recipe> {
  const file = resolve(path)
  if (!existsSync(file)) throw new UserError(`${path}: a recipe must be there, got no such file; write one with: innate init`)
  try {
    const { value: made, files } = await namingBeside(dirname(file), async () => {
      const loaded = await (file.endsWith('.json') ? fromJson(path) : fromCode(path))
      return recipe(isObject(loaded) ? await withGoalFiles(changedInput(inputOf(loaded as RecipeInput), changes)) : (loaded as RecipeInput))
    })
    const text = made.loss && writtenLoss(await readFile(file, 'utf8'), made.loss)
    if (made.loss && text) keepWritten(made.loss, text)
    return { ...located(made, dirname(file)), ...(files.length > 0 ? { files } : {}) }
  } catch (error) {
    if (!(error instanceof UserError) || error.message.startsWith(path)) throw error
    throw new UserError(`${path}: ${error.message}`, { cause: error })
  }
}

/** A recipe whose goals that are named as files are loaded, from beside the recipe. */
async function withGoalFiles(input: RecipeInput): Promise<RecipeInput> {
  const { prior, gold } = input
  const load = async <T>(given: T): Promise<T | Goal> => (isGoalFile(given) ? goalFromFile(given) : given)
  const goals = isObject(prior) && Array.isArray((prior as { goals?: unknown }).goals) ? (prior as { goals: unknown[] }).goals : undefined
  if (!goals?.some(isGoalFile) && !isGoalFile(gold)) return input
  const loaded = goals ? { prior: { ...prior, goals: await Promise.all(goals.map(load)) } } : {}
  return { ...input, ...loaded, ...(gold ? { gold: await load(gold) } : {}) } as RecipeInput
}

type GoalFile = Pick<MadeGoal, 'as' | 'direction' | 'range'> & { readonly file: string }

function isGoalFile(given: unknown): given is GoalFile {
  const fields = isObject(given) ? (given as Partial<MadeGoal>) : {}
  return typeof fields.file === 'string' && fields.name === undefined && !('measure' in fields)
}

/**
 * A goal that is one function in one file: the function is its default export, beside which it may export `range`, `direction`, `about` and
 * `source`. It is called as its file, unless the recipe says otherwise.
 *
 * throws  UserError when the file is missing, does not load, or exports no function
 */
async function goalFromFile({ file, ...said }: GoalFile): Promise<Goal> {
  const path = beside(file)
  if (!existsSync(path)) throw new UserError(`goal ${file}: its file must be there, got none; write it, or name another`)
  const { default: made, ...exported } = await moduleOf(path)
  const strange = Object.keys(said).find((field) => !['as', 'direction', 'range'].includes(field))
  if (strange !== undefined)
    throw new UserError(`goal ${file}: must have no other fields than as, direction and range, got ${strange}; leave it out`)
  const isMade = isObject(made) && typeof (made as { measure?: unknown }).measure === 'function'
  if (typeof made !== 'function' && !isMade)
    throw new UserError(
      `${file}: must export a function of a sample as default, got ${typeof made}; end with: export default (sample) => …`,
    )
  const own = isMade
    ? (made as Goal)
    : goal(basename(file).replace(/\..*$/, ''), made as Goal['measure'], { about: `the measure of ${file}`, ...optionsIn(exported) })
  return remade(own, withoutUndefined(said))
}

/** What a module says of its goal, of what a goal may say. */
function optionsIn(exported: Readonly<Record<string, unknown>>): Partial<Goal> {
  const known = ['range', 'direction', 'about', 'source', 'words'] as const
  return Object.fromEntries(known.flatMap((name) => (exported[name] === undefined ? [] : [[name, exported[name]]])))
}

async function fromJson(path: string): Promise<unknown> {
  return readJson(path, z.unknown(), 'mend it, or write the recipe in TypeScript')
}

async function fromCode(path: string): Promise<unknown> {
  const { default: made } = await moduleOf(path)
  if (made === undefined) throw new UserError(`${path}: must export a recipe as default, got none; end with: export default recipe({ … })`)
  return made
}

/** What a TypeScript or JavaScript file exports. */
async function moduleOf(path: string): Promise<{ readonly default?: unknown } & Readonly<Record<string, unknown>>> {
  const jiti = createJiti(import.meta.url, { virtualModules: await doors(resolve(path)), moduleCache: false, interopDefault: false })
  try {
    return await jiti.import(resolve(path))
  } catch (cause) {
    if (cause instanceof UserError) throw cause
    const message = (cause as Error).message.split('\nRequire stack:')[0]!
    throw new UserError(`${await placeOf(path, cause as Error)}: must load, got ${message}${await whereFrom(message)}`, { cause })
  }
}

/** Where a name comes from that a recipe uses and does not import. */
async function whereFrom(message: string): Promise<string> {
  const name = /^(\w+) is not defined$/.exec(message)?.[1]
  return name && name in (await import('./index.ts')) ? `; import it: import { ${name} } from '${door}'` : ''
}

function located(asked: Recipe, folder: string): Recipe {
  const find = (path: string) => (isAbsolute(path) ? path : existsSync(join(folder, path)) ? join(folder, path) : resolve(path))
  // A data set of the Hub is no path; where its owner is a folder here, it is one.
  const data = (path: string) => (datasetId(path) && !existsSync(find(path)) && !existsSync(dirname(find(path))) ? path : find(path))
  const { edit } = asked
  const given = edit && 'files' in edit ? { ...asked, edit: { ...edit, files: edit.files.map(find) } } : asked
  const onHub = hubId(given.model) !== undefined && !existsSync(find(dirname(given.model)))
  const model = Object.hasOwn(models, given.model) || onHub ? given.model : find(given.model)
  return {
    ...given,
    model,
    look: given.look.texts ? { ...given.look, texts: data(given.look.texts) } : given.look,
    ...(given.shutdown ? { shutdown: mapped(given.shutdown, find) } : {}),
    preferences: locatedSource(given.preferences, find, data),
  }
}

type Find = (path: string) => string

function locatedSource(preferences: Recipe['preferences'], find: Find, data: Find): Recipe['preferences'] {
  if (preferences.kind === 'file') return { ...preferences, pairs: data(preferences.pairs) }
  if (preferences.kind === 'rollouts') return { ...preferences, rollouts: find(preferences.rollouts) }
  if (preferences.kind === 'texts') return { ...preferences, file: data(preferences.file) }
  if (preferences.kind === 'tasks') return { ...preferences, file: find(preferences.file) }
  const prompts = typeof preferences.prompts === 'string' ? data(preferences.prompts) : preferences.prompts
  if (preferences.kind === 'rewarded') {
    const { reward } = preferences
    return { ...preferences, prompts, reward: 'folder' in reward ? { folder: find(reward.folder) } : reward }
  }
  const { judge } = preferences
  return {
    ...preferences,
    prompts,
    // A file of votes or labels is known by its path.
    judge: judge.kind === 'votes' ? votesFile(find(judge.name)) : judge.kind === 'people' ? people(find(judge.name)) : judge,
  }
}

function mapped(files: ShutdownFiles, find: (path: string) => string): ShutdownFiles {
  return Object.fromEntries(Object.entries(files).map(([name, path]) => [name, find(path as string)]))
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

/** Where in a recipe something went wrong: `my.ts:3`, as far as the error or the text of the recipe says. */
async function placeOf(path: string, error: Error): Promise<string> {
  const lines = (await readFile(path, 'utf8')).split('\n')
  const [, missing] = /Cannot find (?:module|package) '([^']+)'/.exec(error.message) ?? []
  const wanted =
    missing &&
    lines.findIndex(
      (line) =>
        /\b(import|from|require)\b/.test(line) &&
        names(line).some((name) => missing === name || missing.endsWith(name.replace(/^\.+/, ''))),
    )
  if (wanted !== undefined && wanted !== '' && wanted >= 0) return `${path}:${wanted + 1}`
  const [, line] =
    new RegExp(`${basename(path).replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}:(\\d+)`).exec(`${error.message}\n${error.stack ?? ''}`) ?? []
  return line ? `${path}:${line}` : path
}

/** What a line of imports names in quotes. */
function names(line: string): string[] {
  return [...line.matchAll(/['"]([^'"]+)['"]/g)].map(([, name]) => name!)
}
