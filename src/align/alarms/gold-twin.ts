import { twinAbove } from '../../accept/index.ts'
import type { AlarmRule } from './alarm.ts'

/** A gold measure that is a twin of something else; gold-twin.ts of accept has the rule. */
export const goldTwin: AlarmRule = {
  name: 'gold.twin',
  about: 'a gold measure that says what a goal or the judge says',
  bound: twinAbove,
  remedy: 'choose a gold measure that looks at something else',
  raise({ twins = [] }) {
    return twins.map(({ why, correlation: { estimate, low, high } }) => ({
      ...{ value: estimate, low, high, bound: estimate < 0 ? -twinAbove : twinAbove },
      why: `${why}, so it can not see what training did to it`,
    }))
  },
}
