import type { MeasureRow, Numbers, Table } from '../../runs/index.ts'
import { armRow, armsIn, armValues, overSeeds, slopeOf } from '../arm-values.ts'
import { claim, type EvidenceVerdict } from '../claim.ts'
import { codeBeside } from '../code-beside.ts'
import { say, sayInterval } from '../paragraph.ts'
import { type Stream, stream } from '../stream.ts'
import { coinEntropy, distinctGoals, type GoalWorld, learn, linearGoals, massOf, priorOn, type Votes, votesFor } from './learn-goal.ts'

const strengths = [0, 1, 2, 3, 4, 5, 6] as const
const [distinct, linear] = ['goals apart', 'goals in eight dimensions'] as const
const arms = [distinct, linear]
const halves = ['bits 0 to 3', 'bits 3 to 6'] as const
const [wrong, zero, anyGoal, coins] = ['wrong prior', 'zero prior', 'any goal', 'votes by a coin']
const [goals, most, meantPerSeed] = [1024, 200, 8]

/** A prior over goals against the votes that it saves. */
export const weakPrior = claim({
  name: 'weak-prior',
  claim:
    'A weak prior over goals is enough: what it leaves open is learned from feedback, and a bit of prior saves about a bit of feedback.',
  source:
    'Pope and Belrose 2024, AI is easy to control; Ramachandran and Amir 2007, Bayesian inverse reinforcement learning; MacKay 2003, chapter 28',
  method:
    'A learner holds a distribution over 1,024 goals of which one is meant, hears votes on random comparisons, and is done when the goals that would be accepted have 95 % of its posterior. In one world the goals have nothing to do with one another, a vote is right nine times of ten, and the meant goal alone is good. In the other they are directions in eight dimensions with votes by Bradley and Terry’s rule, and the eight nearest are good. A prior of b bits lies on the 1024 / 2^b goals nearest to the meant one (5 % of it on all). Its strength is log2 of prior over reference mass of the good set. Votes are counted in bits: what a vote says of the goal to one who knows nothing yet. Eight meant goals a seed hear the same votes at every strength.',
  arms,
  controls: [
    {
      arm: wrong,
      must: 'need more votes than no prior: six bits on a set without the meant goal',
      behaves(table) {
        const more = moreVotes(table, wrong)
        return { met: more.low > 0, said: `it needs ${sayInterval(more)} more` }
      },
    },
    {
      arm: zero,
      must: 'need exactly the votes of the reference: a dial at 0 is the reference',
      behaves(table) {
        const more = armValues(table, zero, 'more votes')
        return { met: more.every((x) => x === 0), said: `the largest difference is ${say(Math.max(...more.map(Math.abs)))}` }
      },
    },
    {
      arm: anyGoal,
      must: 'save not even one vote: where every goal is meant equally often no prior does (no free lunch)',
      behaves(table) {
        const more = moreVotes(table, anyGoal)
        return { met: more.low > -1, said: `it needs ${sayInterval(more)} more` }
      },
    },
    {
      arm: coins,
      must: 'teach nothing: the meant goal is accepted in less than 5 %',
      behaves(table) {
        const share = armRow(table, coins, 'accepted')!.estimate
        return { met: share < 0.05, said: `it is in ${say(100 * share)} %` }
      },
    },
  ],
  metric:
    'bits of votes saved by a bit of prior: minus the least-squares slope over 0 to 6 bits, averaged over both worlds; mean over seeds with Student’s 95 % interval',
  rule: 'The slope is taken in each world over the first three bits, a weak prior, and over the next three. Supports where the interval of each of the four lies within 0.5 and 2; does not support where each lies below 0.5; depends where some do and others do not; otherwise it cannot tell.',
  n: 20,
  quick: { seeds: 3 },
  changes: [],
  module: import.meta.url,
  files: codeBeside(import.meta.url, 'learn-goal', '../stream'),

  run(arm, seed) {
    const draw = stream(seed, `weak-prior ${arm}`)
    if (arm === distinct || arm === linear) {
      const world = arm === distinct ? distinctGoals(goals) : linearGoals(goals, 8, 2, draw)
      return curve(world, draw)
    }
    const world = distinctGoals(goals)
    const reference = new Float64Array(goals).fill(1 / goals)
    return overMeant(
      (meant) => {
        const votes = votesFor(world, meant, most, draw, arm === coins)
        const [good, plain] = [world.good(meant), learn(reference, world.good(meant), votes)]
        if (arm === coins) return { accepted: plain.accepted ? 1 : 0 }
        const prior = arm === zero ? priorOn(world.near(meant, goals)) : priorOn(world.near(priorCentre(arm, meant, draw), goals / 2 ** 6))
        return { 'more votes': learn(prior, good, votes).votes - plain.votes }
      },
      draw,
      arm === coins ? meantPerSeed : 2 * meantPerSeed,
    )
  },

  decide(table) {
    const all = overSeeds('saved', arms.map((arm) => armValues(table, arm, 'slope')), (...row) => -row.reduce((sum, x) => sum + x, 0) / row.length, 'bits a bit') // biome-ignore format: one line
    const { estimate, low, high, n } = all
    const parts = arms.flatMap((arm) => halves.map((half) => ({ said: `${half} with ${arm}`, ...savedIn(table, arm, half) })))
    const told = parts.map((part) => `${sayInterval(part)} over ${part.said}`).join(', ')
    const votes = arms
      .map((arm) => `${[0, 3, 6].map((b) => say(armRow(table, arm, `votes, ${b} bits`)!.estimate)).join(', ')} with ${arm}`)
      .join(' and ')
    return {
      verdict: verdictOf(parts),
      estimate,
      low,
      high,
      n,
      why: `a bit of prior saves ${told}; the votes needed with 0, 3 and 6 bits are ${votes}`,
    }
  },

  figures: (table) => [
    {
      table: {
        about: 'bits saved by a bit of prior',
        rows: [
          ...armsIn(table, arms).flatMap((arm) =>
            halves.map((half) => ({ ...savedIn(table, arm, half), name: arm, group: { arm: `${arm}, ${half}`, kind: 'plain' } })),
          ),
          ...armsIn(table, [wrong, anyGoal]).map((arm) => ({ ...savedByControl(table, arm), name: arm, group: { arm, kind: 'prior' } })),
        ],
      },
      as: 'intervals',
      axes: {
        title: 'Bits of votes that a bit of prior saves',
        unit: 'bits a bit',
        y: 'arm',
        from: 0.5,
        to: 2,
        zero: true,
        about: 'About one by theory. The last two are controls, a wrong prior and one where any goal may be meant; they must not save',
      },
    },
    {
      table: {
        about: 'bits of votes needed over bits of prior',
        rows: armsIn(table, arms).flatMap((arm) =>
          strengths.map((b) => ({ ...armRow(table, arm, `bits, ${b} bits`)!, group: { b, series: arm } })),
        ),
      },
      as: 'lines',
      axes: {
        title: 'Votes needed',
        unit: 'bits',
        x: 'b',
        xLabel: 'bits of prior',
        series: 'series',
        about: 'Until the good goals have 95 % of the posterior',
      },
    },
    {
      table: {
        about: 'votes needed beyond those without a prior',
        rows: armsIn(table, [wrong, anyGoal, zero]).map(
          (arm): MeasureRow => ({ ...moreVotes(table, arm), name: arm, group: { arm, kind: 'prior' } }),
        ),
      },
      as: 'intervals',
      axes: {
        title: 'Controls: votes beyond those without a prior',
        unit: 'votes',
        y: 'arm',
        zero: true,
        about: 'A wrong prior, and one where every goal may be meant, must cost votes',
      },
    },
  ],
})
export default weakPrior

/** Of the worlds and halves together. */
function verdictOf(parts: readonly { low: number; high: number }[]): EvidenceVerdict {
  const good = parts.filter(({ low, high }) => low >= 0.5 && high <= 2).length
  if (good === parts.length) return 'supports'
  if (parts.every(({ high }) => high < 0.5)) return 'does not support'
  return good > 0 ? 'depends' : 'cannot tell'
}

/** What is needed at every strength, and the slope of bits of votes over bits of prior. */
function curve(world: GoalWorld, draw: Stream): Numbers {
  const numbers = overMeant((meant) => {
    const votes: Votes = votesFor(world, meant, most, draw)
    const good = world.good(meant)
    const even = massOf(new Float64Array(world.goals).fill(1 / world.goals), good)
    return Object.fromEntries(
      strengths.flatMap((b) => {
        const prior = priorOn(world.near(meant, world.goals / 2 ** b))
        const learned = learn(prior, good, votes)
        return [
          [`strength, ${b} bits`, Math.log2(massOf(prior, good) / even)],
          [`votes, ${b} bits`, learned.votes],
          [`bits, ${b} bits`, learned.bits],
          [`accepted, ${b} bits`, learned.accepted ? 1 : 0],
        ]
      }),
    )
  }, draw)
  const points = strengths.map((b) => [numbers[`strength, ${b} bits`]!, numbers[`bits, ${b} bits`]!] as const)
  return {
    slope: slopeOf(points),
    'slope, bits 0 to 3': slopeOf(points.slice(0, 4)),
    'slope, bits 3 to 6': slopeOf(points.slice(3)),
    ...numbers,
  }
}

/** The mean of numbers over several goals that are meant. */
function overMeant(of: (meant: number) => Numbers, draw: Stream, count: number = meantPerSeed): Record<string, number> {
  const found = Array.from({ length: count }, () => of(draw.below(goals)))
  return Object.fromEntries(Object.keys(found[0]!).map((name) => [name, found.reduce((sum, one) => sum + one[name]! / found.length, 0)]))
}

/** What a prior that may be wrong lies around: far from the meant goal, or anywhere. */
function priorCentre(arm: string, meant: number, draw: Stream): number {
  return arm === wrong ? (meant + goals / 2) % goals : draw.below(goals)
}

function savedIn(table: Table, arm: string, half: (typeof halves)[number]) {
  return overSeeds('saved', [armValues(table, arm, `slope, ${half}`)], (slope) => -slope, 'bits a bit')
}

/** The votes that a control's six bits save, in bits of a vote that is right nine times of ten, a bit of prior. */
function savedByControl(table: Table, arm: string) {
  return overSeeds('saved', [armValues(table, arm, 'more votes')], (more) => (-more * (1 - coinEntropy(0.9))) / 6, 'bits a bit')
}

function moreVotes(table: Table, arm: string) {
  return overSeeds('more votes', [armValues(table, arm, 'more votes')], (x) => x, 'votes')
}
