import { input, mean, UserError } from '../graph/index.ts'
import type { Example, Kind } from './objective.ts'
import { type PairObjective, pairLosses } from './pairs.ts'
import { column, sidesOf } from './side.ts'
import { lossTerms } from './terms.ts'

/**
 * An objective of pairs that keeps gaps: where a pair has no preference, its loss is weight · m², with m the margin of both log-ratios, so that
 * the log-ratio of the two stays where the reference has it. A gap's own order gives no gradient; all other pairs have the objective's loss.
 *
 * A tie is another thing: its label is ½, and it pulls the margin to 0 only as strongly as votes do.
 *
 * units   weight in 1/nat²
 * throws  UserError when the objective reads no reference, or is not one of pairs
 */
export function keepGaps(objective: PairObjective, weight: number): PairObjective {
  if (objective.kind.name !== 'pairs' || !objective.needs.includes('reference'))
    throw new UserError(
      `gap.weight: must go with an objective of pairs that reads a reference, got ${objective.name}; choose dpo or ipo, or leave gap out`,
    )
  if (objective.whole)
    throw new UserError(
      `gap.weight: must go with an objective whose losses are of single pairs, got ${objective.name}, which compares the whole batch; choose dpo, or leave gap out`,
    )
  const order = (examples: readonly Example[]) => examples.filter(({ gap }) => !gap)
  return {
    ...objective,
    kind: gapped(objective.kind),
    terms(scored) {
      const sides = sidesOf(scored)
      const { labels, gaps } = scored.inputs as { labels: typeof sides.chosen.logp; gaps: typeof sides.chosen.logp }
      const margin = sides.chosen.logRatio.sub(sides.rejected.logRatio)
      const losses = () => pairLosses(objective, sides, labels).mul(gaps.neg().add(1)).add(margin.mul(margin).mul(gaps).mul(weight))
      const own = objective.terms(scored)
      return lossTerms(
        objective.name,
        scored.inside,
        {
          losses,
          objective: (terms) => mean(terms.losses),
          chosen: () => sides.chosen,
          rejected: () => sides.rejected,
          margin: () => margin,
          softLabels: () => labels,
          prior: () => own.prior,
          kl: () => own.kl,
          k1: () => own.k1,
          k3: () => own.k3,
          entropy: () => own.entropy,
        },
        'a pair has `chosen` and `rejected`',
      )
    },
    atStart(examples) {
      const start = objective.atReference?.()
      return start === undefined ? undefined : (start * order(examples).length) / examples.length
    },
  }
}

/** Pairs of which some are gaps; what the log says of order is of the others. */
function gapped(pairs: Kind): Kind {
  return {
    ...pairs,
    inputs: (size) => ({ ...pairs.inputs(size), gaps: input('gaps', [size.examples]) }),
    given: (examples, ...more) => ({
      ...pairs.given(examples, ...more),
      gaps: column(examples.map(({ gap }) => (gap ? 1 : 0))),
    }),
    metrics(examples, logps, asked) {
      const at = [...examples.keys()].filter((i) => !examples[i]!.gap)
      if (at.length === 0) return {}
      return pairs.metrics(
        at.map((i) => examples[i]!),
        at.map((i) => logps[i]!),
        asked,
      )
    },
  }
}
