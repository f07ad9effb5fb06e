import type { Goal, Sample } from '../goals/goal.ts'
import type { Judge } from '../goals/judges/judge.ts'
import { sharedWords } from '../goals/words.ts'
import type { Estimate } from '../runs/schema.ts'
import { correlation, ranks } from './correlation.ts'

/** A gold measure is a twin of what it goes together with by more than this, with its whole interval. */
export const twinAbove = 0.8

/** One reason why gold is no measure of its own: what it is a twin of, and how that was seen. */
export interface Twin {
  /** The name of a goal or of the judge. */
  readonly of: string
  readonly by: 'function' | 'source' | 'words' | 'samples'
  readonly why: string
  /** The correlation over the samples, or what a certain twin has: 1. */
  readonly correlation: Estimate
}

/** What gold was held against, and what of it could not be looked into. */
export interface GoldCheck {
  readonly twins: readonly Twin[]
  /** The judge has words or a function that are unknown: a command, a person, a file of votes. */
  readonly unknown: readonly string[]
}

/**
 * Whether a gold measure is a trained goal, or what the judge looks for, in another guise: the same function; the same source that gives the
 * same numbers; shared words of two lexicons, in any inflection; or numbers that go together over 0.8, up or down, in themselves or in their
 * ranks, with the whole interval. What was trained on cannot certify itself.
 *
 * shape   samples: the reference's completions, by prompt
 * limits  a twin that agrees on the reference's samples by less than that, and differs only where training leads, is not found
 */
export function checkGold(
  gold: Goal,
  goals: readonly Goal[],
  judge: Judge | undefined,
  samples: readonly (readonly Sample[])[],
): GoldCheck {
  const others: Other[] = [...goals]
  if (judge?.utility) others.push({ name: judge.name, measure: judge.utility, ...(judge.words ? { words: judge.words } : {}) })
  const mine = valuesOf(gold, samples)
  const twins = others.flatMap((other) => twinOf(gold, mine, other, samples) ?? [])
  const hidden = judge && !judge.utility && judge.kind !== 'goals'
  if (hidden && judge.words) twins.push(...byWords(gold, { name: judge.name, words: judge.words }, certain(samples.length)))
  const words = judge?.words ? [] : ['words']
  const unknown = hidden ? [...words, 'function'].map((what) => `the ${what} of ${judge.name}`) : []
  return { twins, unknown }
}

interface Other {
  readonly name: string
  readonly measure: (sample: Sample) => number
  readonly words?: ReadonlySet<string>
}

/** The first reason that holds, surest first. */
function twinOf(gold: Goal, mine: readonly (readonly number[])[], other: Other, samples: readonly (readonly Sample[])[]): Twin | undefined {
  const sure = certain(samples.length)
  if (other.measure === gold.measure)
    return { of: other.name, by: 'function', why: `gold ${gold.name} is the function of ${other.name}`, correlation: sure }
  const theirs = valuesOf(other, samples)
  const same = theirs.every((group, i) => group.every((value, j) => value === mine[i]![j]))
  // A function made by another has the text of its siblings: only what it measures tells it from them.
  if (same && other.measure.toString() === gold.measure.toString())
    return { of: other.name, by: 'source', why: `gold ${gold.name} has the source of ${other.name}, and its numbers`, correlation: sure }
  const [shared] = byWords(gold, other, sure)
  if (shared) return shared
  const found = [correlation(gold.name, mine, theirs), correlation(gold.name, ranks(mine), ranks(theirs))].find(
    ({ low, high }) => low > twinAbove || high < -twinAbove,
  )
  if (!found) return undefined
  const said = [found.estimate, found.low, found.high].map((x) => x.toFixed(2))
  return {
    of: other.name,
    by: 'samples',
    why: `gold ${gold.name} goes together with ${other.name} on the reference's samples by ${said[0]} [${said[1]}, ${said[2]}]`,
    correlation: found,
  }
}

function byWords(gold: Goal, { name, words }: Pick<Other, 'name' | 'words'>, sure: Estimate): Twin[] {
  const shared = gold.words && words ? sharedWords(gold.words, words) : []
  if (shared.length === 0) return []
  return [
    { of: name, by: 'words', why: `gold ${gold.name} shares words with ${name}: ${shared.slice(0, 5).join(', ')}`, correlation: sure },
  ]
}

function valuesOf({ measure }: Pick<Other, 'measure'>, samples: readonly (readonly Sample[])[]): number[][] {
  return samples.map((group) => group.map(measure))
}

function certain(n: number): Estimate {
  return { estimate: 1, low: 1, high: 1, n, unit: 'correlation' }
}
