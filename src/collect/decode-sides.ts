import type { Checkpoint } from '../checkpoints/index.ts'
import type { Sample } from '../goals/index.ts'
import { type AskedRow, rowPrompt } from './collect.ts'
import { sampleOf } from './sample-texts.ts'

/** The completion on one side of a pair, as goals and judges see it. */
export type DecodeSide = (row: AskedRow, side: 'a' | 'b') => Sample

/** Decodes the sides of pairs. A completion is on one side of several pairs and is decoded once; what goals measure of it is kept with it. */
export function decodeSides(tokenizer: Checkpoint['tokenizer']): DecodeSide {
  const known = new Map<string, Sample>()
  return (row, side) => {
    const key = `${row.promptIds} ${row[side].ids} ${row[side].ended}`
    const sample = known.get(key) ?? sampleOf(tokenizer, rowPrompt(row), row[side])
    known.set(key, sample)
    return sample
  }
}
