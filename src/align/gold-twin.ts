import { correlation, ranks } from '../accept/index.ts'
import type { Alarm } from '../runs/index.ts'

/** Above this correlation of values or of their ranks, with the whole interval, a gold measure says what another one says. */
export const twinBound = 0.8

/** A number for each completion of each prompt. */
export type Column = readonly (readonly number[])[]

/**
 * An alarm for each measure that the gold measure is a twin of on the reference's samples: the two go together, in the same or in the
 * opposite direction, by Pearson's correlation or by Spearman's, with the whole interval beyond 0.8.
 */
export function goldTwins(gold: Column, others: ReadonlyMap<string, Column>): Alarm[] {
  return [...others].flatMap(([name, values]): Alarm[] => {
    const found = [correlation('gold.twin', gold, values), correlation('gold.twin', ranks(gold), ranks(values))]
    const twin = found.find(({ low, high }) => low > twinBound || high < -twinBound)
    if (!twin) return []
    const { estimate, low, high } = twin
    const say = (x: number) => x.toFixed(2)
    return [
      {
        ...{ alarm: 'gold.twin', value: estimate, low, high, bound: estimate < 0 ? -twinBound : twinBound },
        why: `on the reference's completions the gold measure goes with ${name} by a correlation of ${say(estimate)} [${say(low)}, ${say(high)}], so it can not see what training did to it`,
        remedy: 'choose a gold measure that looks at something else',
      },
    ]
  })
}
