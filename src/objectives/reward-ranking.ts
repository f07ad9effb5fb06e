import { input, logSumExp, mean, reshape, slice, takeRows, tensor, UserError, type Value } from '../graph/index.ts'
import { average, present } from './averages.ts'
import { endsOf, readToEnds } from './ends.ts'
import type { Described, Example, Kind, Maker, Objective } from './objective.ts'
import { type Settings, settle } from './params.ts'
import { checkRewards } from './rewards.ts'
import { lossTerms } from './terms.ts'

/** Groups of as many completions of one prompt, each with a number that ranks it; the head of a reward model scores each where it ends. */
export const scoredGroups: Kind = {
  name: 'scoredGroups',
  reads: ['rollouts'],
  scores: true,
  alone: true,
  perToken: false,
  fewest: 1,
  check(examples, objective) {
    checkRewards(examples, objective)
    for (const { rewards = [] } of examples)
      if (new Set(rewards).size < rewards.length)
        throw new UserError(
          `train: ${objective.name} needs rankings without ties, got rewards ${rewards.join(', ')}; leave such groups out`,
        )
  },
  treeOf: readToEnds,
  weight: () => 1,
  inputs: ({ slots, tokens }) => ({ ends: input('ends', [tokens]), order: input('order', [slots], 'i32') }),
  given: (examples, { slots, tokens }) => ({
    ends: endsOf(examples, tokens),
    order: tensor(Int32Array.from(ordersOf(examples).flat()), [slots], 'i32'),
  }),
  metrics(examples, scores) {
    const right = examples.flatMap(({ rewards = [] }, i) =>
      rewards.flatMap((a, j) => rewards.flatMap((b, k) => (a > b ? [(Math.sign(scores[i]![j]! - scores[i]![k]!) + 1) / 2] : []))),
    )
    return present({ accuracy: average(right) })
  },
  toJSON: () => 'scoredGroups',
}

/** Of each group the places of its completions among all, best first. */
function ordersOf(examples: readonly Example[]): number[][] {
  let first = 0
  return examples.map(({ rewards = [] }) => {
    const from = first
    first += rewards.length
    return rewards.map((_, i) => i).sort((a, b) => rewards[b]! - rewards[a]!).map((i) => from + i) // biome-ignore format: one line
  })
}

/** Losses of one ranking that one can check by hand: scores, best first. */
export interface KnownRanking {
  readonly id: string
  readonly scores: readonly number[]
  readonly loss: number
}

const params = {
  group: { about: 'completions of each prompt', default: 4, unit: 'completions', atLeast: 2, whole: true },
} as const

const definition = {
  name: 'rewardRanking',
  about: 'A head scores completions; the best of those that are left is chosen again and again, until all are ranked.',
  formula: '−Σ log(exp(rᵢ) / Σ exp(rⱼ)), best first, j from i on',
  needs: ['policy'],
  params,
  source: 'Plackett 1975; Zhu, Jiao and Jordan 2023, arXiv:2301.11270, equation 4',
  known: [
    { id: 'V-PL-1', scores: [1.2, 0.3, -0.5], loss: 0.8343648761 },
    { id: 'V-PL-1', scores: [1.2, 0.3], loss: 0.3411538747 },
  ] as readonly KnownRanking[],
} satisfies Described<typeof params> & { readonly known: readonly KnownRanking[] }

/**
 * A reward model of Plackett and Luce, from rankings of K completions: −Σᵢ log(exp(rᵢ) / Σ_{j≥i} exp(rⱼ)), best first. Of two completions it is
 * `rewardModel`.
 *
 * shape   scores f32[groups · K] → f32[groups]; the trainer takes the mean
 * units   scores in log-odds
 * source  Plackett 1975, The analysis of permutations; Luce 1959
 */
export const rewardRanking: Maker<typeof params, Objective, typeof definition> = Object.assign(
  (given: Partial<Settings<typeof params>> = {}): Objective => {
    const settled = settle(definition.name, params, given)
    return {
      kind: scoredGroups,
      name: definition.name,
      params: settled,
      needs: ['policy'],
      ...({ group: settled.group } as object),
      terms: (scored) =>
        lossTerms(
          definition.name,
          scored.inside,
          {
            losses: () => rankingLoss(takeRows(scored.logps, scored.inputs.order!), scored.examples),
            objective: ({ losses }) => mean(losses),
          },
          'rankings have `objective` and `losses`',
        ),
      atStart: () => undefined,
    }
  },
  { definition },
)

/** The loss of each ranking. shape scores f32[groups · K], best first → f32[groups] */
export function rankingLoss(scores: Value, groups: number): Value {
  const count = scores.shape[0]! / groups
  const rows = reshape(scores, [groups, count])
  const choices = Array.from({ length: count - 1 }, (_, i) => logSumExp(slice(rows, 1, i, count)).sub(slice(rows, 1, i, i + 1)))
  return reshape(
    choices.reduce((sum, choice) => sum.add(choice)),
    [groups],
  )
}
