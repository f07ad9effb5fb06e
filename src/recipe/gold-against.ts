import { isDeepStrictEqual } from 'node:util'
import { type Goal, type GoalPrior, type Judge, type Sample, sharedWords } from '../goals/index.ts'
import { UserError } from '../graph/index.ts'
import type { GoldAgainst } from '../runs/index.ts'
import type { JudgeByGoals } from './recipe.ts'

/** Texts on which functions with the same source are told apart: two closures may differ in what they close over. */
const probes: readonly Sample[] = [
  'Once upon a time there was a little fox.',
  'She said "No, thank you!" and ran away from the loud, angry dog.',
  'THE END',
  'a b c d e f g h i j k l m n o p q r s t u v w x y z',
  'I love you. We share 12 kind gifts, 345 of them red; he hates it?',
  '',
].map((text, i) => ({ prompt: 'Tom had a ball.', text, tokens: 3 * i + text.length, ended: i % 2 === 0 }))

/**
 * Makes sure that a gold measure is none of what is trained on: neither the function of a goal or of the judge (itself, or written out
 * again), nor a measure of the same words. Answers what was checked against each, for the manifest.
 *
 * throws  UserError naming what it shares, and with whom
 * limits  a measure that is written in another way, or whose words are not declared, is not seen here; looks hold their values together
 */
export function goldAgainst(gold: Goal, prior: GoalPrior | undefined, judge: Judge | JudgeByGoals): GoldAgainst[] {
  const goals = (prior?.goals ?? []).map(({ name, measure, words, params }) => ({ name, measure, words, params }))
  // A judge made of goals is made of the prior's.
  const voter = judge.kind === 'byGoals' ? [] : [{ name: judge.name, measure: judge.utility, words: judge.words, params: undefined }]
  return [...goals, ...voter].map(({ name, measure, words, params }) => {
    if (measure && sameFunction(gold.measure, measure) && isDeepStrictEqual(gold.params, params))
      throw new UserError(`gold: must be another measure than ${name}, got the same function; what was trained on cannot certify itself`)
    const shared = gold.words && words ? sharedWords(gold.words, words) : []
    if (shared.length > 0)
      throw new UserError(
        `gold: must share no word with ${name}, got ${shared.slice(0, 5).join(', ')}; what was trained on cannot certify itself, so take these words out of one of the two`,
      )
    const asked = judge.kind === 'command' || judge.kind === 'votes' ? judge.name : undefined
    return {
      of: name,
      function: measure ? 'another' : 'unknown',
      words: name === asked ? 'unknown' : gold.words && words ? 'none shared' : 'not declared',
    }
  })
}

function sameFunction(a: (sample: Sample) => number, b: (sample: Sample) => number): boolean {
  if (a === b) return true
  const source = (f: unknown) => String(f).replace(/\s+/g, '')
  return source(a) === source(b) && probes.every((probe) => Object.is(measuredAt(a, probe), measuredAt(b, probe)))
}

/** A function's value, undefined where it throws. */
function measuredAt(measure: (sample: Sample) => number, sample: Sample): number | undefined {
  try {
    return measure(sample)
  } catch {
    return undefined
  }
}
