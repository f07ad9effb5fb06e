import { type Tensor, tensor } from '../../graph/index.ts'
import type { DecoderConfig } from '../../models/config.ts'
import type { Tree } from '../../policy/index.ts'

/** Texts of about one length that are read together, filled up behind their end; no token sees those behind it. */
export interface TextBatch {
  /** Which texts, by place; a row without one repeats the first and counts nothing. */
  readonly places: readonly number[]
  readonly trees: readonly Tree[]
  readonly R: number
  readonly T: number
}

/** Scores of all tokens of a batch together stay below this many. */
const mostScores = 2 ** 24
const mostRows = 16

/** Deals texts into batches; few lengths, so that few programs do. */
export function textBatches(texts: readonly (readonly number[])[], { contextLength, vocabSize }: DecoderConfig): TextBatch[] {
  const lengthOf = ({ length }: readonly number[]) =>
    Math.min(Math.ceil(length / (length > 32 ? 32 : 8)) * (length > 32 ? 32 : 8), contextLength)
  const lengths = [...new Set(texts.map(lengthOf))].sort((a, b) => a - b)
  return lengths.flatMap((T) => {
    const places = [...texts.keys()].filter((i) => lengthOf(texts[i]!) === T)
    const most = Math.max(1, Math.min(mostRows, Math.floor(mostScores / (T * vocabSize))))
    const count = Math.ceil(places.length / most)
    const R = Math.ceil(places.length / count)
    return Array.from({ length: count }, (_, b) => {
      const here = places.filter((_, i) => i % count === b)
      const trees = Array.from({ length: R }, (_, r) => {
        const ids = texts[here[r] ?? here[0]!]!
        return { prompt: [...ids, ...new Array<number>(T - ids.length).fill(ids.at(-1)!)], completions: [] }
      })
      return { places: here, trees, R, T }
    })
  })
}

/** A table with a row for each text of a batch. */
export function tableOf({ R, places }: TextBatch, width: number, fill: (row: Float32Array, text: number) => void): Tensor {
  const data = new Float32Array(R * width)
  for (const [r, text] of places.entries()) fill(data.subarray(r * width, (r + 1) * width), text)
  return tensor(data, [R, width])
}
