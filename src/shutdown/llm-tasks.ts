import { z } from 'zod'
import type { Checkpoint } from '../checkpoints/index.ts'
import { parse, readJsonObjects } from '../files/index.ts'
import { UserError } from '../graph/errors.ts'
import type { Tree } from '../policy/index.ts'
import { random } from '../random/index.ts'
import { answerTree } from './answer-tree.ts'

const text = z.string().min(1, 'must not be empty')
const optionSchema = z.strictObject({
  text,
  length: z.number().positive('must be a number above 0'),
  value: z.number().min(0, 'must be a number of at least 0'),
})
const taskSchema = z.strictObject({ family: text, prompt: text, options: z.array(optionSchema).min(2, 'must be 2 or more') })

/** A question with answers, each with how long the agent runs if it is given, and what it is worth. */
export type LlmTask = Readonly<z.infer<typeof taskSchema>>

/** A task in tokens, with what its answers can be. */
export interface TaskTree extends LlmTask {
  readonly tree: Tree
  /** The largest value at each length. */
  readonly most: ReadonlyMap<number, number>
}

/** Tasks of families to train on, and of others to test on. */
export interface LlmTasks {
  readonly train: readonly TaskTree[]
  readonly test: readonly TaskTree[]
  readonly families: { readonly train: readonly string[]; readonly test: readonly string[] }
}

/**
 * Reads tasks from JSON lines and sets a third of the families aside for the test, drawn by the seed; none of them is trained on.
 *
 * throws  UserError with line and remedy for a task that is none, of one length, or whose answers change the prompt's tokens; with fewer than 2 families; and with fewer than 2 tasks in the test
 */
export async function readLlmTasks(file: string, checkpoint: Pick<Checkpoint, 'tokenizer' | 'config'>, seed: number): Promise<LlmTasks> {
  const all = await readTasks(file, checkpoint)
  const families = [...new Set(all.map(({ family }) => family))].sort()
  if (families.length < 2)
    throw new UserError(
      `${file}: must have tasks of 2 families or more, so that the test has some that are not trained on, got ${families.length}; add a family`,
    )
  const drawn = random(seed, 'shutdown/families').shuffled(families)
  const test = drawn.slice(0, Math.max(1, Math.round(families.length / 3))).sort()
  const inTest = all.filter(({ family }) => test.includes(family))
  if (inTest.length < 2)
    throw new UserError(
      `${file}: must have 2 tasks or more of the families of the test, for intervals over them, got ${inTest.length} of ${test.join(', ')}; add tasks, or take another seed`,
    )
  return {
    train: all.filter(({ family }) => !test.includes(family)),
    test: inTest,
    families: { train: families.filter((family) => !test.includes(family)), test },
  }
}

/**
 * Reads tasks from JSON lines.
 *
 * throws  UserError as readLlmTasks, for a task
 */
export async function readTasks(file: string, checkpoint: Pick<Checkpoint, 'tokenizer' | 'config'>): Promise<TaskTree[]> {
  const all: TaskTree[] = []
  for await (const { line, value } of readJsonObjects(file)) {
    const where = `${file}:${line}`
    all.push(inTokens(where, parse(where, value, taskSchema, 'mend the line'), checkpoint))
  }
  return all
}

/** Tasks by whole families, of which no two parts share one: to train on, to look at after each round, and to look at once. */
export interface DealtTasks {
  readonly train: readonly TaskTree[]
  readonly development: readonly TaskTree[]
  readonly sealed: readonly TaskTree[]
}

/**
 * Deals families by the seed: a sixth to each look and the rest to train on, or half to each look where nothing is trained on them. A look has at
 * most so many tasks, drawn by the seed.
 *
 * throws  UserError with fewer families than parts, or a look with fewer than two tasks
 */
export function dealTasks(
  where: string,
  all: readonly TaskTree[],
  { trains, look, seed }: { trains: boolean; look: { development: number; sealed: number }; seed: number },
): DealtTasks {
  const families = random(seed, 'shutdown/families').shuffled([...new Set(all.map(({ family }) => family))].sort())
  const parts = trains ? 3 : 2
  if (families.length < parts)
    throw new UserError(
      `${where}: must have tasks of ${parts} families or more, so that each look has some of its own${trains ? ' that are not trained on' : ''}, got ${families.length}; add a family`,
    )
  const each = trains ? Math.max(1, Math.round(families.length / 6)) : Math.floor(families.length / 2)
  const of = (some: readonly string[]) => all.filter(({ family }) => some.includes(family))
  const at = (name: 'development' | 'sealed', some: readonly string[]) => {
    const drawn = random(seed, `shutdown/tasks/${name}`).shuffled(of(some)).slice(0, look[name])
    if (drawn.length < 2)
      throw new UserError(`${where}: must have 2 tasks or more in each look, got ${drawn.length} in family ${some.join(', ')}; add tasks`)
    return drawn
  }
  return {
    sealed: at('sealed', families.slice(0, each)),
    development: at('development', families.slice(each, trains ? 2 * each : undefined)),
    train: trains ? of(families.slice(2 * each)) : [],
  }
}

function inTokens(where: string, task: LlmTask, checkpoint: Pick<Checkpoint, 'tokenizer' | 'config'>): TaskTree {
  const { prompt, options } = task
  const most = new Map<number, number>()
  for (const { length, value } of options) most.set(length, Math.max(most.get(length) ?? 0, value))
  if (most.size < 2)
    throw new UserError(`${where}: options must have 2 lengths or more, got ${most.size}; add an option with another length`)
  const empty = [...most].find(([, value]) => value === 0)
  if (empty) throw new UserError(`${where}: each length must have an option of a value above 0, got none at length ${empty[0]}; add one`)
  const answers = options.map(({ text }) => text)
  return { ...task, tree: answerTree(where, { prompt, answers }, (i) => `options.${i}.text`, checkpoint), most }
}
