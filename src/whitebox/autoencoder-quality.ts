import type { Tensor } from '../graph/index.ts'
import type { Estimate } from '../runs/index.ts'
import type { Encoder } from './open-encoder.ts'
import { ratioInterval } from './ratio-interval.ts'
import type { TokenRows } from './token-rows.ts'

/** What a reading of rows gives back of them, and how many numbers it takes of each. */
export interface Reading {
  readonly back: Tensor
  /** Features above 0 of each row. */
  readonly active: readonly (readonly number[])[]
}

/** How well rows of held-out texts come back. */
export interface Quality {
  /** 1 − Σ‖x − x̂‖² / Σ‖x − x̄‖², over texts. */
  readonly varianceExplained: Estimate
  /** Features above 0 of a token. */
  readonly l0: Estimate
  /** Features that are above 0 of no token. */
  readonly dead: number
  readonly tokens: number
}

/** Reads rows through an autoencoder. */
export function through(encoder: Encoder): (x: Tensor) => Promise<Reading> {
  return async (x) => {
    const active = await encoder.encode(x)
    return { back: encoder.decode(active), active: active.map(({ features }) => features) }
  }
}

/**
 * How well several readings do on the rows of texts, which are read once.
 *
 * throws  UserError with fewer than two texts
 */
export async function qualities<Name extends string>(
  rows: AsyncIterable<TokenRows>,
  readings: Readonly<Record<Name, { readonly features: number; read(x: Tensor): Promise<Reading> | Reading }>>,
): Promise<Record<Name, Quality>> {
  const names = Object.keys(readings) as Name[]
  const texts: { n: number; sums: Float64Array; square: number }[] = []
  const tallies = Object.fromEntries(names.map((name) => [name, { missed: [], active: [], used: new Set() }])) as unknown as Record<Name, { missed: number[]; active: number[]; used: Set<number> }> // biome-ignore format: one line
  for await (const { rows: some } of rows)
    for (const x of some) {
      const [n, d] = x.shape as [number, number]
      const sums = new Float64Array(d)
      let square = 0
      for (let i = 0; i < n * d; i++) {
        sums[i % d]! += x.data[i]!
        square += x.data[i]! ** 2
      }
      texts.push({ n, sums, square })
      for (const name of names) {
        const { back, active } = await readings[name].read(x)
        const tally = tallies[name]
        let missed = 0
        for (let i = 0; i < n * d; i++) missed += (x.data[i]! - back.data[i]!) ** 2
        tally.missed.push(missed)
        tally.active.push(active.reduce((sum, { length }) => sum + length, 0))
        for (const row of active) for (const f of row) tally.used.add(f)
      }
    }
  const tokens = texts.reduce((sum, { n }) => sum + n, 0)
  const mean = new Float64Array(texts[0]?.sums.length ?? 0)
  for (const { sums } of texts) for (const [c, sum] of sums.entries()) mean[c]! += sum / tokens
  const spread = texts.map(({ n, sums, square }) => mean.reduce((sum, m, c) => sum + m * (n * m - 2 * sums[c]!), square))
  return Object.fromEntries(
    names.map((name) => {
      const { missed, active, used } = tallies[name]
      const explained = spread.map((value, i) => value - missed[i]!)
      const quality: Quality = {
        varianceExplained: ratioInterval('variance explained', explained, spread, 'share'),
        l0: ratioInterval('L0', active, texts.map(({ n }) => n), 'features'), // biome-ignore format: one line
        dead: readings[name].features - used.size,
        tokens,
      }
      return [name, quality]
    }),
  ) as Record<Name, Quality>
}
