import { agreement, agreementOfMany } from '../accept/index.ts'
import { meanInterval } from '../accept/mean-interval.ts'
import type { Spent, Spoken } from '../goals/index.ts'
import type { JudgeFacts } from '../runs/index.ts'

/**
 * What can be told of judges from what they said of pairs: how they agree, each pair of them on what both judged and each with itself where it was
 * asked in both orders; and each one's liking for a place and for length. Intervals count prompts.
 */
export function judgeFacts(spoken: readonly Spoken[], spent?: Spent): JudgeFacts {
  const all = spoken.map(upright)
  const names = [...new Set(all.map(({ who }) => who))]
  const by = names.map((who) => ({ who, said: all.filter((one) => one.who === who) }))
  const itself = by.flatMap(({ who, said }) => {
    const [one, other] = (['a', 'b'] as const).map((first) => said.filter((answer) => answer.first === first))
    return agreed([who, `${who}, sides changed`], one!, other!)
  })
  const others = by.flatMap((one, i) => by.slice(i + 1).flatMap((other) => agreed([one.who, other.who], one.said, other.said)))
  return {
    judges: by.map(({ who, said }) => ({
      who,
      counts: countsOf(said),
      ...shareOf('first', said, ({ first }) => first),
      ...shareOf('longer', said, ({ a, b }) => (a.length === b.length ? undefined : a.length > b.length ? 'a' : 'b')),
    })),
    agreement: [...others, ...itself],
    ...together(by.map(({ said }) => finalOf(said))),
    ...(spent ? { spent } : {}),
  }
}

/** The same answer with its sides in the order of their texts, so that answers on one pair can be compared. */
function upright(said: Spoken): Spoken & { readonly pair: string } {
  const { prompt, a, b, choice, first } = said
  const turned = a > b
  const turn = <T extends string>(side: T) => (side === 'a' ? 'b' : side === 'b' ? 'a' : side) as T
  const pair = JSON.stringify([prompt, ...[a, b].sort()])
  if (!turned) return { ...said, pair }
  return { ...said, a: b, b: a, choice: turn(choice), ...(first ? { first: turn(first) } : {}), pair }
}

type Upright = ReturnType<typeof upright>

function countsOf(said: readonly Upright[]) {
  const counts = { side: 0, tie: 0, none: 0, skip: 0 }
  for (const { choice } of said) counts[choice === 'a' || choice === 'b' ? 'side' : choice]++
  return counts
}

/** What each pair got; a tie where one was said two things. Skips say nothing. */
function finalOf(said: readonly Upright[]): Map<string, { readonly choice: string; readonly prompt: string }> {
  const all = new Map<string, { choice: string; prompt: string }>()
  for (const { pair, choice, prompt } of said) {
    if (choice === 'skip') continue
    const before = all.get(pair)
    all.set(pair, { choice: before && before.choice !== choice ? 'tie' : choice, prompt })
  }
  return all
}

function agreed(between: [string, string], one: readonly Upright[], other: readonly Upright[]): JudgeFacts['agreement'][number][] {
  const [first, second] = [finalOf(one), finalOf(other)]
  const items = [...first].flatMap(([pair, { choice, prompt }]) => {
    const said = second.get(pair)
    return said ? [{ one: choice, other: said.choice, unit: prompt }] : []
  })
  if (new Set(items.map(({ unit }) => unit)).size < 2) return []
  return [{ between, pairs: items.length, ...agreement(items) }]
}

/** Agreement of three or more; nothing where two of them never judged the same of two prompts. */
function together(judges: readonly ReturnType<typeof finalOf>[]): Pick<JudgeFacts, 'together'> {
  if (judges.length < 3) return {}
  const pairs = new Map<string, { unit: string; said: string[] }>()
  for (const final of judges)
    for (const [pair, { choice, prompt }] of final) {
      const item = pairs.get(pair) ?? { unit: prompt, said: [] }
      item.said.push(choice)
      pairs.set(pair, item)
    }
  const items = [...pairs.values()].filter(({ said }) => said.length > 1)
  if (new Set(items.map(({ unit }) => unit)).size < 2) return {}
  return { together: { raters: judges.length, pairs: items.length, ...agreementOfMany(items) } }
}

/** The share of votes for a side that `of` names, each prompt counted once; nothing where fewer than two prompts can tell. */
function shareOf(name: 'first' | 'longer', said: readonly Upright[], of: (one: Upright) => 'a' | 'b' | undefined) {
  const byPrompt = new Map<string, number[]>()
  for (const one of said) {
    const side = of(one)
    if (side === undefined || one.choice === 'skip') continue
    const value = one.choice === side ? 1 : one.choice === 'tie' || one.choice === 'none' ? 0.5 : 0
    byPrompt.set(one.prompt, [...(byPrompt.get(one.prompt) ?? []), value])
  }
  if (byPrompt.size < 2) return {}
  const means = [...byPrompt.values()].map((values) => values.reduce((a, b) => a + b, 0) / values.length)
  return { [name]: meanInterval(name, means, 'share', [0, 1]) }
}
