import { meanInterval } from '../accept/index.ts'
import { UserError } from '../graph/errors.ts'
import type { Model, Policy } from '../policy/index.ts'
import { nearDuplicates } from '../preferences/index.ts'
import { random } from '../random/index.ts'
import type { Estimate } from '../runs/index.ts'
import type { Activations } from './activations.ts'
import { fitStitch } from './fit-stitch.ts'
import { inFresh } from './in-fresh.ts'
import { leastSquares, leastSquaresOfRank, mapped, permutation, procrustes, relative, type StitchMap } from './stitch-maps.ts'
import { type LaidTexts, laidTexts, openTop, streamAt, type Top, textLosses } from './stitch-top.ts'

/** Ways from the stream of one model to that of another; see stitch-maps and fit-stitch. */
export const stitchRoutes = ['identity', 'trained', 'procrustes', 'relative', 'permutation'] as const
export type StitchRoute = (typeof stitchRoutes)[number]
/** Those that need streams of one width. */
const ofOneWidth: readonly StitchRoute[] = ['identity', 'procrustes', 'permutation']

/** What the bottom of A, a map and the top of B predict together, on the texts held out. */
export interface StitchMeasured {
  /** −log p of the next tokens, nats. */
  readonly loss: Estimate
  /** That less the loss of B, text by text. */
  readonly penalty: Estimate
}

export interface Stitch extends StitchMeasured {
  readonly route: StitchRoute
  /** The last block that is of A. */
  readonly layer: number
  /** The largest rank that what was fitted can have; 0 where nothing was. */
  readonly capacity: number
  /** The same route, fitted anew, with a bottom of fresh weights in the place of that of A. */
  readonly untrained: StitchMeasured
}

export interface Stitching {
  /** The loss of B on the texts held out, and that of A. */
  readonly loss: Estimate
  readonly lossOfA: Estimate
  /** ln V, and the loss of how often each token stands in the texts fitted on; nats per token. */
  readonly chance: number
  readonly unigram: number
  readonly texts: { readonly fitted: number; readonly heldOut: number; readonly tokensFitted: number }
  readonly stitches: readonly Stitch[]
}

export interface StitchOptions {
  /** Default: all; all that apply, where the widths differ. */
  readonly routes?: readonly StitchRoute[]
  /** Default: every block that both models have. */
  readonly layers?: readonly number[]
  /** Of the trained map; one as large as the narrower stream is a whole matrix. Default 1, 4, 16 and whole. */
  readonly ranks?: readonly number[]
  /** Of the trained map. Default 20. */
  readonly steps?: number
  /** Step size, a share of what is moved. Default 0.02. */
  readonly lr?: number
  /** Tokens that relative representations are cosines with, at most. Default 256. */
  readonly anchors?: number
  /** Share of the texts that is held out. Default 0.5. */
  readonly heldOut?: number
  readonly seed?: number
  readonly onDone?: (done: number, of: number) => void
  readonly signal?: AbortSignal | undefined
}

type Half = Pick<Model, 'policy' | 'config' | 'tokenizer' | 'name'>

/**
 * Stitches two models: the bottom of A up to a block, a map of each token's vector, the top of B after that block. Maps are fitted on some of the
 * texts; the penalty is measured on the others.
 *
 * throws  UserError for models of different vocabularies, for routes and blocks that they do not have, and for texts that are too few
 * source  Lenc & Vedaldi 2015, arXiv:1411.5908; Bansal et al. 2021, arXiv:2106.07682
 */
export async function stitch(a: Half, b: Half, texts: readonly (readonly number[])[], options: StitchOptions = {}): Promise<Stitching> {
  const { heldOut = 0.5, seed = 0, signal, onDone } = options
  mustShareTokens(a, b)
  const { routes, layers, ranks } = checked(a, b, options)
  const parts = dealt(b, texts, heldOut, seed)
  const [fit, held] = [laidTexts(parts.fit, b.policy), laidTexts(parts.held, b.policy)]
  const plain = await textLosses(b.policy, held, signal)
  const measured = (losses: readonly number[]): StitchMeasured => ({
    loss: meanInterval('loss', losses, 'nats'),
    penalty: meanInterval('penalty', losses.map((loss, text) => loss - plain[text]!), 'nats'), // biome-ignore format: one line
  })
  const stitches: Stitch[] = []
  const lossOfA = meanInterval('loss', await textLosses(a.policy, held, signal), 'nats')
  await inFresh(a, seed, async (fresh) => {
    for (const layer of layers) {
      const [toFit, toMeasure] = [openTop(b.policy, layer, fit, signal), openTop(b.policy, layer, held, signal)]
      const y = await streamAt(b.policy, layer, fit, signal)
      const sides = [await sideOf(a.policy, layer, fit, held, signal), await sideOf(fresh.policy, layer, fit, held, signal)]
      for (const route of routes) {
        const losses: { capacity: number; losses: number[] }[][] = []
        for (const side of sides) {
          const maps = await mapsOf(route, side.fit, y, { ...options, ranks, seed, top: toFit, batches: fit.batches.length })
          const found = []
          for (const { capacity, map } of maps) found.push({ capacity, losses: await toMeasure.losses(mapped(map, side.held)) })
          losses.push(found)
        }
        const [ofA, ofFresh] = losses as [(typeof losses)[number], (typeof losses)[number]]
        for (const [i, { capacity, losses: found }] of ofA.entries())
          stitches.push({ route, layer, capacity, ...measured(found), untrained: measured(ofFresh[i]!.losses) })
        onDone?.(stitches.length, layers.length * (routes.length + (routes.includes('trained') ? ranks.length - 1 : 0)))
      }
    }
  })
  const tokensFitted = fit.rows
  const chance = Math.log(b.config.vocabSize)
  const unigram = unigramLoss(parts, b.config.vocabSize)
  return {
    loss: meanInterval('loss', plain, 'nats'),
    lossOfA,
    ...{ chance, unigram, stitches },
    texts: { fitted: parts.fit.length, heldOut: parts.held.length, tokensFitted },
  }
}

async function sideOf(policy: Policy, layer: number, fit: LaidTexts, held: LaidTexts, signal: AbortSignal | undefined) {
  return { fit: await streamAt(policy, layer, fit, signal), held: await streamAt(policy, layer, held, signal) }
}

interface Fitting extends StitchOptions {
  readonly ranks: readonly number[]
  readonly seed: number
  readonly top: Top
  readonly batches: number
}

/** The maps of a route from rows of A to rows of B, one for each capacity. */
async function mapsOf(
  route: StitchRoute,
  x: Activations,
  y: Activations,
  fitting: Fitting,
): Promise<{ capacity: number; map: StitchMap }[]> {
  const { anchors = 256, seed, ranks, steps = 20, lr = 0.02, top, batches, signal } = fitting
  if (route === 'identity') return [{ capacity: 0, map: {} }]
  if (route === 'procrustes') return [{ capacity: x.d, map: procrustes(x, y) }]
  if (route === 'permutation') return [{ capacity: x.d, map: permutation(x, y) }]
  if (route === 'relative') return [{ capacity: Math.min(anchors, x.n, x.d, y.d), map: relative(x, y, anchors, seed) }]
  const whole = Math.min(x.d, y.d)
  const full = leastSquares(x, y)
  const ofRank = leastSquaresOfRank(x, y, full)
  const maps = []
  for (const capacity of ranks) {
    const start = capacity === whole ? { up: full.matrix, bias: full.bias } : ofRank(capacity)
    maps.push({ capacity, map: await fitStitch(top, batches, x, start, { steps, lr, seed, signal }) })
  }
  return maps
}

function mustShareTokens(a: Half, b: Half): void {
  const [ofA, ofB] = [a, b].map(({ tokenizer }) => tokenizer.pieces([...Array(tokenizer.vocabSize).keys()])) as [string[], string[]]
  const at = (ofA.length > ofB.length ? ofA : ofB).findIndex((_, id) => ofA[id] !== ofB[id])
  if (at < 0) return
  const said = (pieces: readonly string[]) => (at < pieces.length ? JSON.stringify(pieces[at]) : 'missing')
  throw new UserError(
    `stitch: both models must have one vocabulary, got ${ofA.length} tokens in ${a.name} and ${ofB.length} in ${b.name}, where token ${at} is ${said(ofA)} and ${said(ofB)}; take models of one tokenizer`,
  )
}

function checked(a: Half, b: Half, { routes, layers, ranks }: StitchOptions) {
  const [wide, other] = [a.config.hiddenSize, b.config.hiddenSize]
  const wrong = wide === other ? undefined : routes?.find((route) => ofOneWidth.includes(route))
  if (wrong)
    throw new UserError(`stitch: ${wrong} must have streams of one width, got ${wide} in ${a.name} and ${other} in ${b.name}; take trained or relative`) // biome-ignore format: one line
  const [both, whole] = [Math.min(a.config.layers, b.config.layers), Math.min(wide, other)]
  const strange = layers?.find((layer) => !(Number.isInteger(layer) && layer >= 0 && layer < both))
  if (strange !== undefined)
    throw new UserError(`stitch: layers must be from 0 to ${both - 1}, which both models have, got ${strange}; name others`)
  const rank = ranks?.find((one) => !(Number.isInteger(one) && one >= 1 && one <= whole))
  if (rank !== undefined) throw new UserError(`stitch: ranks must be from 1 to ${whole}, the narrower stream, got ${rank}; name others`)
  return {
    routes: routes ?? stitchRoutes.filter((route) => wide === other || !ofOneWidth.includes(route)),
    layers: layers ?? [...Array(both).keys()],
    ranks: ranks ?? [...new Set([1, 4, 16, whole])].filter((one) => one <= whole),
  }
}

/** Texts to fit on and texts held out; near duplicates lie in one part. */
function dealt({ tokenizer }: Half, texts: readonly (readonly number[])[], share: number, seed: number) {
  const few = texts.find(({ length }) => length < 2)
  if (few) throw new UserError(`stitch: a text must have two tokens or more, got ${few.length}; lengthen it or leave it out`)
  const wanted = Math.max(2, Math.round(share * texts.length))
  const [fit, held]: [number[], number[]] = [[], []]
  for (const group of random(seed, 'stitch/parts').shuffled(nearDuplicates(texts.map((ids) => tokenizer.decode(ids)))))
    (held.length + group.length <= wanted ? held : fit).push(...group)
  if (held.length < 2 || fit.length < 2)
    throw new UserError(
      `stitch: texts must be two or more to fit on and as many held out, got ${fit.length} and ${held.length} of ${texts.length}; near duplicates stay together, so give more that differ`,
    )
  const those = (places: number[]) => places.sort((x, y) => x - y).map((i) => texts[i]!)
  return { fit: those(fit), held: those(held) }
}

/** The loss of the share that each token has of the texts fitted on, one more of each. */
function unigramLoss({ fit, held }: { fit: readonly (readonly number[])[]; held: readonly (readonly number[])[] }, V: number): number {
  const counts = new Float64Array(V).fill(1)
  let total = V
  for (const ids of fit)
    for (const id of ids.slice(1)) {
      counts[id]!++
      total++
    }
  const losses = held.map((ids) => ids.slice(1).reduce((sum, id) => sum - Math.log(counts[id]! / total), 0) / (ids.length - 1))
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length
}
