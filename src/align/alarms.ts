import { type Twin, twinAbove } from '../accept/index.ts'
import type { Alarm, Estimate, PlaceShare } from '../runs/index.ts'

/** Above this share of completions that ran into their limit, KL and length say more of the limit than of the model. */
const cutBound = 0.2

/** By so much more often than gold a judge may be pleased, before it is worth knowing. */
const gapBound = 0.1

/** The alarms that one look raises. */
export function alarmsOf({ place, cut, gap }: { place: PlaceShare | undefined; cut: Estimate; gap?: Estimate | undefined }): Alarm[] {
  return [...(place ? placeAlarm(place) : []), ...cutAlarm(cut), ...(gap ? gapAlarm(gap) : [])]
}

function gapAlarm({ estimate, low, high }: Estimate): Alarm[] {
  if (low <= gapBound) return []
  return [
    {
      ...{ alarm: 'judge.gap', value: estimate, low, high, bound: gapBound },
      why: `the judge finds the trained model better ${percent(estimate)} [${percent(low)}, ${percent(high)}] more often than the gold measure does, so it is pleased by what gold does not see`,
      remedy: 'read what the judge rewards; train less against it, or take a judge that looks at what gold does',
    },
  ]
}

/** The alarm that a gold measure is a twin of something else. */
export function twinAlarm({ why, correlation: { estimate, low, high } }: Twin): Alarm {
  return {
    ...{ alarm: 'gold.twin', value: estimate, low, high, bound: estimate < 0 ? -twinAbove : twinAbove },
    why: `${why}, so it can not see what training did to it`,
    remedy: 'choose a gold measure that looks at something else',
  }
}

function placeAlarm({ first, alarm }: PlaceShare): Alarm[] {
  if (!alarm) return []
  const { estimate, low, high } = first
  const where = estimate > 0.5 ? 'first' : 'second'
  return [
    {
      ...{ alarm: 'judge.place', value: estimate, low, high, bound: 0.5 },
      why: `the judge gives ${percent(estimate)} [${percent(low)}, ${percent(high)}] of its votes to what stands first, so it likes what stands ${where}`,
      remedy: "let it answer [1, 1] where it can not tell; order: 'both' asks in both orders and takes the mean",
    },
  ]
}

function cutAlarm({ estimate, low, high }: Estimate): Alarm[] {
  if (low <= cutBound) return []
  return [
    {
      ...{ alarm: 'completions.cut', value: estimate, low, high, bound: cutBound },
      why: `${percent(estimate)} [${percent(low)}, ${percent(high)}] of the completions were cut off at the limit of their length, on which KL and length then depend`,
      remedy: 'raise preferences.maxTokens, or compare only runs with the same limit',
    },
  ]
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`
}
