import { type AlarmRule, percent } from './alarm.ts'

/** A judge that likes what stands in one place. */
export const judgePlace: AlarmRule = {
  name: 'judge.place',
  about: 'the share of votes for what stood first, other than a half',
  bound: 0.5,
  remedy: "let it answer [1, 1] where it can not tell; order: 'both' asks in both orders and takes the mean",
  raise({ place }) {
    if (!place?.alarm) return []
    const { estimate, low, high } = place.first
    const where = estimate > 0.5 ? 'first' : 'second'
    const why = `the judge gives ${percent(estimate)} [${percent(low)}, ${percent(high)}] of its votes to what stands first, so it likes what stands ${where}`
    return [{ value: estimate, low, high, why }]
  },
}
