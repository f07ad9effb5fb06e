import { existsSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { z } from 'zod'
import { readJson } from '../../files/index.ts'
import { UserError } from '../../graph/index.ts'
import { didYouMean } from '../../recipe/recipe-error.ts'

const share = z.number().gt(0, 'must be above 0').lt(1, 'must be below 1')
const name = z.string().min(1)

const schema = z.strictObject({
  model: name.default('stories5m'),
  /** JSONL: prompt, completion. */
  target: name,
  /** JSONL: text, or prompt. */
  control: name,
  heldOut: share.default(0.3),
  /** JSONL: the same behaviour in other words; decided on, never searched on. */
  paraphrases: z.exactOptional(name),
  loss: z.enum(['completion', 'distribution']).default('completion'),
  /** The model whose next-token distributions are wanted. */
  teacher: z.exactOptional(name),
  over: z.enum(['weights', 'activations']).default('weights'),
  sites: z.array(name).min(1, 'must name one or more'),
  size: z.enum(['norm', 'groups', 'gates', 'rank']),
  success: z.number().gt(0, 'must be above 0').max(1, 'must be at most 1').default(0.95),
  controlKl: z.number().gt(0, 'must be above 0'),
  seed: z.int().min(0, 'must be 0 or more').default(0),
  /** Steps of each descent. */
  steps: z.int().min(1, 'must be 1 or more').default(80),
})

/** A search as a file describes it. */
export type SearchRecipe = z.infer<typeof schema>

const remedy = 'mend the recipe'

/**
 * Reads a search from JSON. Paths in it are looked for beside the file, then in the current folder.
 *
 * throws  UserError for an unknown field (with the nearest one), a value that cannot be, and for what is not searched here
 */
export async function readSearch(file: string): Promise<SearchRecipe> {
  const given = await readJson(file, z.unknown(), remedy)
  const known = Object.keys(schema.shape)
  const strange = typeof given === 'object' && given !== null ? Object.keys(given).find((key) => !known.includes(key)) : undefined
  if (strange !== undefined)
    throw new UserError(
      `${file}: must have no other fields than ${known.join(', ')}, got ${strange}${didYouMean(strange, known) || '; leave it out'}`,
    )
  const recipe = await readJson(file, schema, remedy)
  const refuse = (field: string, must: string, got: unknown, help: string) => {
    throw new UserError(`${file}: ${field}: must ${must}, got ${JSON.stringify(got)}; ${help}`)
  }
  if (recipe.size === 'rank' && recipe.over === 'activations')
    refuse('size', 'be norm, groups or gates over activations', 'rank', 'an added vector has no rank')
  if (recipe.loss === 'distribution' && recipe.teacher === undefined)
    refuse('teacher', 'name the model whose distributions are wanted', null, 'add it, or take loss completion')
  if (recipe.loss === 'completion' && recipe.teacher !== undefined)
    refuse('teacher', 'be left out with loss completion', recipe.teacher, 'leave it out, or take loss distribution')
  const located = (path: string) => {
    const there = join(dirname(resolve(file)), path)
    return !isAbsolute(path) && existsSync(there) ? there : path
  }
  return {
    ...recipe,
    model: located(recipe.model),
    target: located(recipe.target),
    control: located(recipe.control),
    ...(recipe.paraphrases === undefined ? {} : { paraphrases: located(recipe.paraphrases) }),
    ...(recipe.teacher === undefined ? {} : { teacher: located(recipe.teacher) }),
  }
}
