import { has, kindOf, labelIn, labelVotesIn, listIn, type RawRow, Unreadable, votesIn } from '../columns.ts'
import type { Dialect } from './dialect.ts'

const sides = ['prompt', 'chosen', 'rejected', 'completion'] as const
const named = (row: RawRow, side: string) => [`${side}_ids`, `${side}_input_ids`].find((name) => has(row, name))

/** Pairs and labelled completions in tokens, as TRL's trainers name them: they are taken verbatim. */
export const ids: Dialect = {
  name: 'token ids',
  columns: 'prompt_ids, chosen_ids, rejected_ids (or completion_ids, label); also *_input_ids',
  fits: (row) => sides.some((side) => named(row, side) !== undefined),
  read(row) {
    if (named(row, 'completion'))
      return {
        form: 'labelledIds',
        prompt_ids: idsIn(row, 'prompt'),
        completion_ids: idsIn(row, 'completion'),
        label: labelIn(row, 'label'),
        ...labelVotesIn(row),
      }
    return {
      form: 'pairIds',
      prompt_ids: idsIn(row, 'prompt'),
      chosen_ids: idsIn(row, 'chosen'),
      rejected_ids: idsIn(row, 'rejected'),
      ...votesIn(row),
    }
  },
}

function idsIn(row: RawRow, side: string): number[] {
  const name = named(row, side) ?? `${side}_ids`
  const list = listIn(row, name)
  const wrong = list.findIndex((id) => !Number.isSafeInteger(id) || (id as number) < 0)
  if (wrong < 0) return list as number[]
  throw new Unreadable(`${name}.${wrong}: must be a whole number from 0 on, got ${kindOf(list[wrong])}`)
}
