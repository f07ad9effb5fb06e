import { shownRows, told } from './scored.ts'
import type { Screen } from './screen.ts'

/** One score of a text that was judged by itself. `place` says where the text stands, a cell for each of its names. units log-odds */
export interface JudgedScore {
  readonly place: readonly string[]
  readonly label: boolean
  readonly value: number
  readonly sd: number | null
}

/** What is scored one by one, in words: the many of it, what its place is called, and its two labels. */
export interface JudgedWords {
  readonly many: string
  readonly place: readonly string[]
  readonly is: readonly [yes: string, no: string]
}

/** The mean score of either label, nothing where there is none, and the share of scores that are on the side of their label; 0 is on half of one. */
export function judgedMeans(scores: readonly JudgedScore[]) {
  const mean = (numbers: readonly number[]) => (numbers.length === 0 ? null : numbers.reduce((a, b) => a + b) / numbers.length)
  const of = (label: boolean) => mean(scores.flatMap((one) => (one.label === label ? [one.value] : [])))
  return { yes: of(true), no: of(false), onSideOfLabel: mean(scores.map(onSide))! }
}

/** Draws the first scores, and what all of them are by their label. */
export function showJudged(scores: readonly JudgedScore[], { many, place, is }: JudgedWords, screen: Screen): void {
  const count = (n: number) => n.toLocaleString('en-US')
  screen.table([
    [...place, 'label', 'score', ''],
    ...scores
      .slice(0, shownRows)
      .map((one) => [...one.place, is[one.label ? 0 : 1], told(one.value, one.sd), onSide(one) === 1 ? '✓' : '']),
  ])
  if (scores.length > shownRows) screen.line(`… ${count(scores.length - shownRows)} more ${many}; --json prints them all`)
  const means = judgedMeans(scores)
  const right = scores.filter(({ label }) => label).length
  const line = (name: string, value: number | null) => (value === null ? [] : [[name, value.toFixed(3)]])
  screen.table([
    [`${count(scores.length)} ${many}`, 'mean score'],
    ...line(`${right} ${is[0]}`, means.yes),
    ...line(`${scores.length - right} ${is[1]}`, means.no),
    ['on the side of the label', `${(100 * means.onSideOfLabel).toFixed(1)} %`],
  ])
}

function onSide({ label, value }: JudgedScore): number {
  return (1 + (label ? 1 : -1) * Math.sign(value)) / 2
}
