import { UserError } from '../graph/errors.ts'
import type { Model, Tree } from '../policy/index.ts'
import { random } from '../random/index.ts'
import type { Estimate } from '../runs/index.ts'
import type { Activations } from './activations.ts'
import { plainTexts } from './plain-texts.ts'
import { rowActivations, type SteerMethod, type SteerPool, steerDirection } from './steer-directions.ts'
import { type Coherence, coherenceOf, effectOf, type SteerPositions, steered } from './steer-effect.ts'
import { dealSteerRows, type SteerParts, type SteerRow } from './steer-rows.ts'

export interface SteerOptions {
  readonly method?: SteerMethod
  readonly pool?: SteerPool
  readonly positions?: SteerPositions
  /** Blocks to try; up to eight, spread over the middle of the model, when left out. */
  readonly layers?: readonly number[]
  /** How many times the direction is added. */
  readonly strengths?: readonly number[]
  /** The most that a token of unrelated text may cost more, nats. */
  readonly coherence?: number
  /** Unrelated texts. */
  readonly texts?: readonly Tree[]
  /** Share of the rows that is held out: a third of it to choose on, the rest to measure on. Default 0.6. */
  readonly heldOut?: number
  readonly seed?: number
  readonly onDone?: (done: number, of: number) => void
  readonly signal?: AbortSignal
}

/** What one strength does after one block, on rows that were not fitted on. */
export interface Dose {
  readonly layer: number
  readonly strength: number
  /** On the rows to measure on, which nothing was chosen by. */
  readonly effect: Estimate
  /** On the rows to choose on. */
  readonly whenChosen: Estimate
  readonly coherence: Coherence
}

/** Whether the effect's low end is above 0, and above what every random and every shuffled direction did. */
export function beatsControls({ chosen, controls }: Pick<SteerFound, 'chosen' | 'controls'>): boolean {
  if (!chosen || !controls || chosen.effect.cannotTell) return false
  return chosen.effect.low > Math.max(0, controls.random.estimate, controls.shuffled.estimate)
}

/** What must not work as well as the direction, at the layer and strength that were chosen. */
export interface SteerControls {
  /** Random directions as long as the direction; the one of five with the largest effect. */
  readonly random: Estimate
  /** The same fit with half of each side in the place of the other, as long as the direction; the one of five with the largest effect. */
  readonly shuffled: Estimate
  /** The direction the other way round. */
  readonly flipped: Estimate
}

export interface SteerFound {
  readonly doses: readonly Dose[]
  /** By layer. */
  readonly directions: Readonly<Record<number, Float64Array>>
  /** The dose with the largest lower end of its effect on the rows to choose on, among those that are coherent; none where none is surely above 0. */
  readonly chosen?: Dose
  readonly controls?: SteerControls
  readonly rows: {
    readonly fit: readonly [number, number]
    readonly choose: readonly [number, number]
    readonly measure: readonly [number, number]
    readonly paired: boolean
    readonly texts: number
  }
}

/** The strengths that are tried where none are named. */
export const usualStrengths: readonly number[] = [-2, -1, 0.5, 1, 2, 4]

/**
 * Finds a direction that makes the positive rows likelier than the negative ones, and what each strength of it does after each block: the effect on
 * rows held out, beside what it costs on unrelated texts. Layer and strength are chosen on one part of what is held out and measured on another.
 *
 * throws  UserError for a layer that is not there, and rows that are too few
 * limits  coherence is measured on the texts that it was judged by when the dose was chosen
 */
export async function steer(
  model: Model,
  positive: readonly SteerRow[],
  negative: readonly SteerRow[],
  options: SteerOptions = {},
): Promise<SteerFound> {
  const { method = 'caa', pool = 'mean', positions = 'all', strengths = usualStrengths, coherence = 0.1, seed = 0, signal } = options
  const layers = options.layers ?? spread(model.config.layers)
  const strange = layers.find((layer) => !(Number.isInteger(layer) && layer >= 0 && layer < model.config.layers))
  if (strange !== undefined)
    throw new UserError(`steer: layers must be from 0 to ${model.config.layers - 1}, got ${strange}; blocks are numbered from 0`)
  const parts = dealSteerRows(positive, negative, options)
  const trees = (rows: readonly SteerRow[], places: readonly number[]) => places.map((i) => rows[i]!.tree)
  const sidesOf = ([a, b]: SteerParts['fit']): Sides => [trees(positive, a), trees(negative, b)]
  const [fit, choose, measure] = [sidesOf(parts.fit), sidesOf(parts.choose), sidesOf(parts.measure)]
  const texts = options.texts ?? plainTexts.map((text) => textOf(model, text))

  const read = await Promise.all([rowActivations(model, fit[0], { pool, signal }), rowActivations(model, fit[1], { pool, signal })])
  const directions = Object.fromEntries(layers.map((l) => [l, steerDirection(method, read[0][l]!, read[1][l]!, parts.paired)]))

  const pushed = steered(model, positions)
  const groups = [...choose, ...measure, texts]
  const all = groups.flat()
  const apart = (logps: readonly number[]) => {
    let from = 0
    const [a, b, c, d, unrelated] = groups.map(({ length }) => logps.slice(from, (from += length))) as [number[], number[], number[], number[], number[]] // biome-ignore format: one line
    return { choose: [a, b] as const, measure: [c, d] as const, unrelated }
  }
  const before = apart(await pushed.score(all))
  const measured = async (layer: number, strength: number, direction: Float64Array): Promise<Dose> => {
    signal?.throwIfAborted()
    const after = apart(await pushed.score(all, { layer, direction, strength }))
    const [effect, whenChosen] = [effectOf(before.measure, after.measure, parts.paired), effectOf(before.choose, after.choose, parts.paired)] // biome-ignore format: one line
    return { layer, strength, effect, coherence: coherenceOf(before.unrelated, after.unrelated, coherence), whenChosen }
  }
  const doses: Dose[] = []
  for (const layer of layers)
    for (const strength of strengths) {
      doses.push(await measured(layer, strength, directions[layer]!))
      options.onDone?.(doses.length, layers.length * strengths.length)
    }
  const chosen = best(doses.filter(({ coherence, whenChosen }) => coherence.coherent && whenChosen.low > 0))
  const rows = {
    fit: [fit[0].length, fit[1].length] as const,
    choose: [choose[0].length, choose[1].length] as const,
    measure: [measure[0].length, measure[1].length] as const,
    paired: parts.paired,
    texts: texts.length,
  }
  if (!chosen) return { doses, directions, rows }
  const { layer, strength } = chosen
  const direction = directions[layer]!
  const shuffledRows = (k: number) => {
    const [a, b] = halfSwapped(read[0][layer]!, read[1][layer]!, parts.paired, seed, k)
    return steerDirection(method, a, b, parts.paired)
  }
  const largest = async (make: (k: number) => Float64Array) => {
    const found: Estimate[] = []
    for (let k = 0; k < CONTROLS; k++) found.push((await measured(layer, strength, asLong(make(k), direction))).effect)
    return found.reduce((a, b) => (b.estimate > a.estimate ? b : a))
  }
  const controls: SteerControls = {
    random: await largest((k) => random(seed, `steer/random/${k}`).normals(direction.length)),
    shuffled: await largest(shuffledRows),
    flipped: (await measured(layer, -strength, direction)).effect,
  }
  return { doses, directions, chosen, controls, rows }
}

const CONTROLS = 5

/** Both sides with half of each in the place of the other, so that nothing of what tells them apart is left in their means. */
export function halfSwapped(a: Activations, b: Activations, paired: boolean, seed: number, k: number): [Activations, Activations] {
  const stays = (n: number, name: string) =>
    new Set(random(seed, `steer/shuffled/${k}/${name}`).shuffled(Array.from({ length: n }, (_, i) => i)).slice(0, Math.floor(n / 2))) // biome-ignore format: one line
  const [inA, inB] = [stays(a.n, 'a'), stays(b.n, 'b')]
  const row = ({ d, data }: Activations, i: number) => data.subarray(i * d, (i + 1) * d)
  const places = (x: Activations) => Array.from({ length: x.n }, (_, i) => i)
  const made = (rows: readonly Float64Array[]) => ({ n: rows.length, d: a.d, data: Float64Array.from(rows.flatMap((one) => [...one])) })
  if (paired) return [made(places(a).map((i) => row(inA.has(i) ? a : b, i))), made(places(a).map((i) => row(inA.has(i) ? b : a, i)))] // biome-ignore format: one line
  const side = (kept: boolean) => made([...places(a).filter((i) => inA.has(i) === kept).map((i) => row(a, i)), ...places(b).filter((i) => inB.has(i) === kept).map((i) => row(b, i))]) // biome-ignore format: one line
  return [side(true), side(false)]
}

type Sides = readonly [readonly Tree[], readonly Tree[]]

/** A text as what is scored: all but its first token. */
export function textOf(model: Pick<Model, 'ids'>, text: string): Tree {
  const ids = model.ids(text)
  return { prompt: ids.slice(0, 1), completions: [ids.slice(1)] }
}

function best(doses: readonly Dose[]): Dose | undefined {
  return doses.length === 0 ? undefined : doses.reduce((a, b) => (b.whenChosen.low > a.whenChosen.low ? b : a))
}

function spread(layers: number): number[] {
  const [from, to] = [Math.floor(layers / 5), Math.max(Math.floor(layers / 5), layers - 2)]
  const count = Math.min(8, to - from + 1)
  return [...new Set(Array.from({ length: count }, (_, i) => Math.round(from + (i * (to - from)) / Math.max(1, count - 1))))]
}

/** A vector as long as another. */
export function asLong(v: ArrayLike<number>, as: Float64Array): Float64Array {
  const factor = lengthOf(as) / lengthOf(v)
  return Float64Array.from(v, (x) => x * factor)
}

function lengthOf(v: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < v.length; i++) sum += v[i]! ** 2
  return Math.sqrt(sum)
}
