import { EigenvalueDecomposition, Matrix } from 'ml-matrix'
import { UserError } from '../graph/errors.ts'
import type { Goal } from './goal.ts'
import type { Sign } from './orthant.ts'

/** Signs by goal, each with its goal's direction. */
export function signsOf(goals: readonly Goal[], signs: Readonly<Record<string, string>>): Sign[] {
  const names = goals.map(({ name }) => name)
  for (const [name, said] of Object.entries(signs)) {
    const goal = goals[names.indexOf(name)]
    if (!goal) throw new UserError(`prior.signs: must name a goal of this prior (${names.join(', ')}), got ${name}; mend the name`)
    const agreeing = goal.direction === 1 ? 'positive' : 'negative'
    if (said !== 'positive' && said !== 'negative')
      throw new UserError(`prior.signs.${name}: must be positive or negative, got ${JSON.stringify(said)}; say "${agreeing}"`)
    if (said !== agreeing)
      throw new UserError(`prior.signs.${name}: must agree with the goal, of which ${goal.direction === 1 ? 'more' : 'less'} is wanted, got ${said}; say ${agreeing}, or turn the goal's direction round`) // biome-ignore format: one line
  }
  return goals.map(({ name, direction }) => (Object.hasOwn(signs, name) ? direction : 0))
}

export function checkGoals(goals: readonly Goal[]): void {
  if (goals.length === 0) throw new UserError('prior.goals: must name at least one goal, got none; leave the prior out to have none')
  const twice = goals.find(({ name }, k) => goals.findIndex((other) => other.name === name) !== k)
  if (twice) throw new UserError(`prior.goals: names must differ, got ${twice.name} twice; leave one out`)
}

export function checkNumbers(where: string, numbers: readonly number[], count: number): void {
  if (numbers.length !== count) throw new UserError(`${where}: must have one number a goal (${count}), got ${numbers.length}; give as many`)
  const wrong = numbers.find((number) => !Number.isFinite(number))
  if (wrong !== undefined) throw new UserError(`${where}: must be finite numbers, got ${wrong}; mend it`)
}

/** A covariance must be of these goals, symmetric, and have an inverse. */
export function checkCovariance(covariance: readonly (readonly number[])[], count: number): void {
  const where = 'prior.covariance'
  if (covariance.length !== count || covariance.some((row) => row.length !== count))
    throw new UserError(`${where}: must have a row and a column for each of ${count} goals, got ${covariance.length} rows of ${[...new Set(covariance.map((row) => row.length))].join(', ')}; give a square of numbers`) // biome-ignore format: one line
  for (const row of covariance) checkNumbers(where, row, count)
  const largest = Math.max(...covariance.flat().map(Math.abs))
  covariance.forEach((row, i) => {
    const j = row.findIndex((value, j) => Math.abs(value - covariance[j]![i]!) > 1e-9 * largest)
    if (j >= 0) throw new UserError(`${where}: must be symmetric, got ${row[j]} and ${covariance[j]![i]} in row and column ${i + 1} and ${j + 1}; give both the same`) // biome-ignore format: one line
  })
  const values = new EigenvalueDecomposition(new Matrix(covariance.map((row) => [...row])), { assumeSymmetric: true }).realEigenvalues
  const least = Math.min(...values)
  if (!(least > 1e-10 * Math.max(...values)))
    throw new UserError(`${where}: must be positive definite, got a ${Math.abs(least) <= 1e-10 * largest ? 'singular' : 'wrong'} one, whose least eigenvalue is ${least.toPrecision(3)}; lower the covariances, or leave out a goal that is a sum of others`) // biome-ignore format: one line
}
