import { describe, expect, it } from 'vitest'
import { random } from '../random/index.ts'
import { goldTwins } from './gold-twin.ts'

/** Two measures of two completions of 44 prompts, with this correlation. */
function measures(seed: number, correlation: number) {
  const normals = random(seed, 'twins').normals(4 * 44)
  const at = (prompt: number, k: number) => normals[4 * prompt + k]!
  const prompts = Array.from({ length: 44 }, (_, i) => i)
  const goal = prompts.map((i) => [at(i, 0), at(i, 1)])
  const gold = goal.map((pair, i) => pair.map((x, k) => correlation * x + Math.sqrt(1 - correlation ** 2) * at(i, 2 + k)))
  return { goal, gold }
}
const found = (gold: number[][], goal: number[][]) => goldTwins(gold, new Map([['kind', goal]])).map(({ alarm, bound }) => [alarm, bound])
const each = (column: number[][], f: (x: number) => number) => column.map((pair) => pair.map(f))
const { goal } = measures(0, 0)

describe('a gold measure that is a twin is found', () => {
  it.each<[string, number[][], number]>([
    ['the same on another scale', each(goal, (x) => 3 + 100 * x), 0.8],
    ['turned round', each(goal, (x) => -x), -0.8],
    ['bent, in the same order', each(goal, (x) => Math.exp(4 * x)), 0.8],
    ['with a little noise', measures(0, 0.97).gold, 0.8],
  ])('%s', (_, gold, bound) => {
    expect(found(gold, goal)).toEqual([['gold.twin', bound]])
  })
})

it('an honest one, which goes with a goal by 0.4, is not accused on any of 20 seeds', () => {
  for (let seed = 0; seed < 20; seed++) {
    const { gold, goal } = measures(seed, 0.4)
    expect(found(gold, goal)).toEqual([])
  }
})

it('where a measure does not vary, nothing is said', () => {
  expect(
    found(
      each(goal, () => 1),
      goal,
    ),
  ).toEqual([])
})
