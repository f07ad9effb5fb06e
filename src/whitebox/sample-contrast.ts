import type { Model } from '../policy/index.ts'
import type { Contrast } from './contrast.ts'

/** A contrast that any model can read, for laws: two texts that differ in one token in the middle, and two tokens as answers. */
export function sampleContrast({ ids, config: { vocabSize } }: Pick<Model, 'ids' | 'config'>): Contrast {
  const clean = ids('Once upon a time there was')
  const middle = Math.floor(clean.length / 2)
  const corrupted = clean.map((id, i) => (i === middle ? (id + 7) % vocabSize : id))
  return { clean, corrupted, answer: 5 % vocabSize, wrong: 11 % vocabSize }
}
