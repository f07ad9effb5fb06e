import { normalQuantile } from '../goals/special-functions.ts'
import { UserError } from '../graph/errors.ts'
import type { Estimate } from '../runs/schema.ts'
import { meanInterval, tail } from './mean-interval.ts'

/** What two judges said of one item, each as one of a few names; items with the same unit, such as a prompt, are not independent. */
export interface SaidOf {
  readonly one: string
  readonly other: string
  readonly unit?: string
}

/** How two judges agree on what both judged. */
export interface Agreement {
  /** Share of items on which both say the same. */
  readonly share: Estimate
  /** Cohen's κ: the share beyond what two who know nothing of the items would reach, 0 there and 1 where they always agree. */
  readonly kappa: Estimate
}

/** Below so many items κ says that it cannot tell. */
const fewest = 20

/**
 * Agreement of two judges over what both judged; every interval counts units, as if all items of one unit were one.
 *
 * The share has the exact interval of meanInterval. κ's is the hull of two: the large-sample one, and the share's own interval at the agreement
 * by chance that was seen, which does not vanish where both always agreed.
 *
 * throws  UserError with fewer than two units
 * limits  where each judge said one thing only, chance alone reaches any agreement, and κ cannot tell
 * source  Cohen 1960; Fleiss, Cohen and Everitt 1969, equation 13 (the variance)
 */
export function agreement(items: readonly SaidOf[]): Agreement {
  const byUnit = new Map<string | number, number[]>()
  for (const [i, { one, other, unit }] of items.entries()) byUnit.set(unit ?? i, [...(byUnit.get(unit ?? i) ?? []), Number(one === other)])
  const n = byUnit.size
  if (n < 2) throw new UserError(`agreement: two judges must have at least 2 prompts in common, got ${n}; let both judge more`)
  const share = meanInterval(
    'agreement',
    [...byUnit.values()].map((same) => same.reduce((a, b) => a + b, 0) / same.length),
    'share',
    [0, 1],
  )
  const names = [...new Set(items.flatMap(({ one, other }) => [one, other]))]
  const part = (of: (item: SaidOf) => boolean) => items.filter(of).length / items.length
  const ones = new Map(names.map((name) => [name, part(({ one }) => one === name)]))
  const others = new Map(names.map((name) => [name, part(({ other }) => other === name)]))
  const chance = names.reduce((sum, name) => sum + ones.get(name)! * others.get(name)!, 0)
  const same = part(({ one, other }) => one === other)
  if (chance > 1 - 1e-12)
    return { share, kappa: { estimate: 0, low: -1, high: 1, n, unit: 'κ', cannotTell: 'both said one and the same thing throughout' } }
  const beyond = (po: number) => (po - chance) / (1 - chance)
  const kappa = beyond(same)
  let spread = -((same * (1 + chance) - 2 * chance) ** 2)
  for (const one of names)
    for (const other of names) {
      const p = part((item) => item.one === one && item.other === other)
      const sum = others.get(one)! + ones.get(other)!
      spread += one === other ? p * (1 - chance - sum * (1 - same)) ** 2 : p * (1 - same) ** 2 * sum ** 2
    }
  const half = normalQuantile(1 - tail) * (Math.sqrt(Math.max(0, spread / n)) / (1 - chance) ** 2)
  const low = Math.max(-1, Math.min(kappa - half, beyond(share.low)))
  const high = Math.min(1, Math.max(kappa + half, beyond(share.high)))
  const few = n < fewest ? { cannotTell: `${n} prompts are too few for an interval of κ: ${fewest} or more are needed` } : {}
  return { share, kappa: { estimate: kappa, low, high, n, unit: 'κ', ...few } }
}
