import type { Model } from '../policy/index.ts'
import { random } from '../random/index.ts'
import { type CircuitOptions, circuits, type Edge } from './circuit.ts'
import { type Contrast, type ContrastTexts, contrastOf } from './contrast.ts'

/** Faithfulness of random sets: the mean, the least and the largest of n. With 39 of them one set more lies between these with a chance of 95 %. */
export interface RandomEdges {
  readonly estimate: number
  readonly low: number
  readonly high: number
  readonly n: number
}

const draws = 39

/** What a number of edges keeps, beside as many random ones. */
export interface CircuitPoint {
  readonly edges: number
  readonly faithfulness: number
  /** What random sets of as many edges keep. Left out where there is only one set of that size. */
  readonly random?: RandomEdges
}

/**
 * Faithfulness of the first 1, 2, 4 … edges of a list up to k of them, beside 39 random sets of as many edges each. A list that is no better
 * than these says nothing.
 *
 * throws  UserError as circuits
 */
export async function circuitCurve(
  model: Model,
  given: Contrast | ContrastTexts,
  edges: readonly Edge[],
  { k = 64, seed = 0, ...options }: CircuitOptions & { readonly k?: number; readonly seed?: number } = {},
): Promise<CircuitPoint[]> {
  const contrast = contrastOf(model, given)
  const most = Math.min(k, edges.length)
  const sizes = [...Array.from({ length: Math.ceil(Math.log2(most)) }, (_, i) => 2 ** i), most]
  const sets = sizes.flatMap((size) => [
    edges.slice(0, size),
    ...Array.from({ length: size < edges.length ? draws : 0 }, (_, draw) =>
      random(seed, `circuit ${size} ${draw}`).shuffled(edges).slice(0, size),
    ),
  ])
  const kept = (await circuits(model, contrast, sets, options)).map(({ faithfulness }) => faithfulness)
  return sizes.map((size) => {
    const faithfulness = kept.shift()!
    if (size === edges.length) return { edges: size, faithfulness }
    const others = kept.splice(0, draws)
    return { edges: size, faithfulness, random: spreadOf(others) }
  })
}

function spreadOf(values: readonly number[]): RandomEdges {
  const estimate = values.reduce((sum, x) => sum + x, 0) / values.length
  return { estimate, low: Math.min(...values), high: Math.max(...values), n: values.length }
}
