import type { Stream } from '../stream.ts'

/** Latent things, of which a scene holds one. */
export const concepts = 4
/** Senses that each thing moves, and places of the senses that hold the crude cues, one block a thing. */
const [perConcept, perCue, common] = [12, 8, 8]
export const senses = common + concepts * (perConcept + perCue)
const noise = 0.3

/** How a world looks: the sign that each thing gives its senses. */
export interface World {
  readonly patterns: readonly Float64Array[]
  /** Senses of a cue that are in use, at most eight: what it weighs beside the thing. */
  readonly cueSize: number
}

/** What is there: a thing, and the cue of a thing, or none. */
export interface Scene {
  readonly concept: number
  readonly cue: number | undefined
}

/** A world with random patterns. */
export function freshWorld(cueSize: number, draw: Stream): World {
  const patterns = Array.from({ length: concepts }, () => Float64Array.from({ length: perConcept }, () => (draw.uniform() < 0.5 ? 1 : -1)))
  return { patterns, cueSize }
}

/** The same world after a share of every pattern has turned. */
export function changed(world: World, share: number, draw: Stream): World {
  return { ...world, patterns: world.patterns.map((pattern) => pattern.map((x) => (draw.uniform() < share ? -x : x))) }
}

/** What the senses say of a scene. */
export function sense({ patterns, cueSize }: World, { concept, cue }: Scene, draw: Stream): Float64Array {
  const x = Float64Array.from({ length: senses }, () => noise * draw.normal())
  patterns[concept]!.forEach((sign, i) => void (x[common + concept * perConcept + i]! += sign))
  if (cue !== undefined) for (let i = 0; i < cueSize; i++) x[cueAt(cue) + i]! += 1
  return x
}

/** A detector with `bits` hard-wired bits: the senses that it adds up; it fires above half of what its cue gives. */
export function detects(x: Float64Array, cue: number, bits: number): boolean {
  let sum = 0
  for (let i = 0; i < bits; i++) sum += x[cueAt(cue) + i]!
  return sum > bits / 2
}

/** A scene of childhood: a share has the cue of any thing, a share has none, and all others their own thing's. */
export function childhood(falsely: number, misses: number, draw: Stream): Scene {
  const concept = draw.below(concepts)
  const which = draw.uniform()
  if (which < falsely) return { concept, cue: draw.below(concepts) }
  return { concept, cue: which < falsely + misses ? undefined : concept }
}

/** A scene in which thing and cue have nothing to do with each other. */
export function parted(draw: Stream): Scene {
  return { concept: draw.below(concepts), cue: draw.uniform() < 0.5 ? draw.below(concepts) : undefined }
}

function cueAt(cue: number): number {
  return common + concepts * perConcept + cue * perCue
}

/** Things as they are learned without any reward: prototypes that win scenes and move to them. */
export interface Representation {
  readonly prototypes: readonly Float64Array[]
}

/**
 * Learns prototypes online, each begun at a scene far from those before it.
 *
 * source  Rumelhart & Zipser 1985, Feature discovery by competitive learning
 */
export function representation(look: () => Float64Array, count: number, scenes: number): Representation {
  const first = Array.from({ length: 40 }, look)
  const prototypes = [first[0]!.slice()]
  while (prototypes.length < count) {
    const far = first.map((x) => Math.min(...prototypes.map((m) => apart(x, m))))
    prototypes.push(first[far.indexOf(Math.max(...far))]!.slice())
  }
  const wins = prototypes.map(() => 1)
  for (let i = 0; i < scenes; i++) {
    const x = look()
    const k = nearest({ prototypes }, x)
    wins[k]!++
    for (let j = 0; j < x.length; j++) prototypes[k]![j]! += (x[j]! - prototypes[k]![j]!) / wins[k]!
  }
  return { prototypes }
}

/** What value is read from: which prototype is nearest, and beside it the senses themselves, a scale of their own. */
export function featuresOf(known: Representation, x: Float64Array, sensesScale: number): Float64Array {
  const k = nearest(known, x)
  const found = new Float64Array(known.prototypes.length + x.length)
  found[k] = 1
  x.forEach((value, i) => void (found[known.prototypes.length + i] = sensesScale * value))
  return found
}

function nearest({ prototypes }: Representation, x: Float64Array): number {
  const far = prototypes.map((m) => apart(x, m))
  return far.indexOf(Math.min(...far))
}

function apart(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2
  return sum
}
