import type { RewardModel } from '../rewards/index.ts'

/** Scores whole texts in tokens. */
export type ScoreTexts = (texts: readonly (readonly number[])[]) => ReturnType<RewardModel['score']>

/** A person reads so many rows; the others are in `--json`. */
export const shownRows = 20

/** A score with its doubt, for people. */
export function told(value: number, sd: number | null): string {
  return `${value.toFixed(3)}${sd === null ? '' : ` ± ${sd.toFixed(3)}`}`
}
