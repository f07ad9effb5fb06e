import { z } from 'zod'
import { type Goal, goalMakers, goals, type MadeOptions, readyGoals, remade } from '../goals/index.ts'
import { UserError } from '../graph/index.ts'
import { withoutUndefined } from './without-undefined.ts'

const makerNames = Object.keys(goalMakers) as (keyof typeof goalMakers)[]

/** The goals that JSON may call by their name alone. */
export const readyNames = [...Object.keys(readyGoals), 'perplexity'] as [keyof typeof readyGoals | 'perplexity']

/** A goal as JSON describes it: a ready-made one by name with what it is made of, or a file of the user's. */
export const madeGoalSchema = z.strictObject({
  name: z.enum([...Object.keys(readyGoals), ...makerNames] as [keyof typeof goals]).optional(),
  file: z.string().min(1).optional(),
  words: z.array(z.string()).min(1).optional(),
  pattern: z.string().optional(),
  flags: z.string().optional(),
  schema: z.union([z.string(), z.boolean(), z.record(z.string(), z.json())]).optional(),
  tap: z.string().optional(),
  label: z.string().optional(),
  as: z.string().min(1).optional(),
  direction: z.union([z.literal(1), z.literal(-1)]).optional(),
  range: z.tuple([z.number(), z.number()]).optional(),
})
export type MadeGoal = z.output<typeof madeGoalSchema>

/** What each is made of: the fields that it needs, and those that it may have, beside as, direction and range. */
const fields: Readonly<Record<string, { readonly needs: readonly (keyof MadeGoal)[]; readonly may?: readonly (keyof MadeGoal)[] }>> = {
  keywords: { needs: ['words'] },
  pattern: { needs: ['pattern'], may: ['flags'] },
  json: { needs: ['schema'] },
  perplexity: { needs: [] },
  probe: { needs: ['file'], may: ['tap', 'label'] },
}

/**
 * The goal that a recipe means by a value, a name, or an object.
 *
 * throws  UserError as the goal's maker does; for fields that it has no use for or lacks; for a file that nobody has loaded
 */
export function goalFrom(given: Goal | (typeof readyNames)[number] | MadeGoal): Goal {
  if (typeof given === 'string') return given === 'perplexity' ? goals.perplexity() : readyGoals[given]
  if ('measure' in given) return given
  const { name, as, direction, range, ...of } = withoutUndefined(given) as MadeGoal
  if (name === undefined)
    throw new UserError(
      of.file === undefined
        ? `goal: must have a name (${[...Object.keys(readyGoals), ...makerNames].join(', ')}) or a file, got neither; add one`
        : `goal ${of.file}: must be loaded with its recipe, got a recipe made in code; import its function and write goal(…)`,
    )
  const { needs, may = [] } = fields[name] ?? { needs: [] }
  const lacking = needs.find((field) => given[field] === undefined)
  if (lacking !== undefined) throw new UserError(`goal ${name}: must have ${lacking}, got none; add it`)
  const strange = Object.keys(of).find((field) => !([...needs, ...may] as string[]).includes(field))
  if (strange !== undefined) {
    const known = [...needs, ...may, 'as', 'direction', 'range'].join(', ')
    throw new UserError(`goal ${name}: must have no other fields than ${known}, got ${strange}; leave it out`)
  }
  const options = withoutUndefined({ as, direction, range }) as MadeOptions
  if (name === 'keywords') return goals.keywords(of.words!, options)
  if (name === 'pattern') return goals.pattern(of.pattern!, { ...withoutUndefined({ flags: of.flags }), ...options })
  if (name === 'json') return goals.json(of.schema, options)
  if (name === 'perplexity') return goals.perplexity(options)
  if (name === 'probe') return goals.probe(of.file!, { ...withoutUndefined({ tap: of.tap, label: of.label }), ...options })
  return remade(readyGoals[name], options)
}
