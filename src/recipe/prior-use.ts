import { UserError } from '../graph/index.ts'
import type { Recipe } from './recipe.ts'
import type { RecipeInput } from './schema.ts'

/** κ where the recipe names none: one vote per pair, but none where the reference speaks for the prior. */
export function kappaOf(given: RecipeInput, settled: number): number {
  return given.tiltReference && given.kappa === undefined ? 0 : settled
}

/**
 * The ways that a prior goes into training, which must each have something to say and not say it twice.
 *
 * throws  UserError naming the field
 */
export function checkPriorUse({ prior, kappa, tiltReference, preferences, objective, gap }: Recipe): void {
  if (preferences.kind === 'onPolicy' && preferences.sdPenalty !== undefined) {
    if (!prior)
      throw new UserError('preferences.sdPenalty: must go with a prior, whose posterior it reads, got none; add a prior, or leave it out')
    if (preferences.trainOn !== 'extremes')
      throw new UserError(`preferences.sdPenalty: must go with trainOn "extremes", which it chooses, got "${preferences.trainOn}"; set that, or leave it out`) // biome-ignore format: one line
  }
  if (!tiltReference) return
  const must = (what: string, got: string, remedy: string) =>
    new UserError(`tiltReference: must ${what}, got ${got}; ${remedy}, or leave tiltReference out`)
  if (!prior) throw must('go with a prior, whose mean it adds', 'none', 'add a prior')
  if (prior.mean.every((weight) => weight === 0)) throw must('go with a prior that expects something', 'one with a mean of 0', 'raise prior.strength') // biome-ignore format: one line
  if (kappa > 0) throw must('go with kappa 0, since soft labels have the prior in them already', `kappa ${kappa}`, 'say kappa 0')
  if (gap) throw must('go without gap, which keeps a log-ratio where the model itself has it', 'both', 'leave gap out')
  const { name, kind, needs, sync, params } = objective
  const choose = 'choose dpo, or ipo with form "sums"'
  if (kind.sides !== 2 || !needs.includes('reference')) throw must('go with an objective of pairs that reads a reference', name, choose)
  if (typeof params.beta !== 'number' || params.form === 'perToken' || name === 'sigmoidNorm')
    throw must('go with an objective that has a β per nat of whole completions', name + (params.form === 'perToken' ? ' per token' : ''), choose) // biome-ignore format: one line
  if (sync || needs.includes('prefixes'))
    throw must('go with a reference that scores whole completions and stays', `${name} with ${sync ? 'sync' : 'ldAlpha'}`, 'leave that out') // biome-ignore format: one line
}
