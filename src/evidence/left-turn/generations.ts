import type { Stream } from '../stream.ts'
import { channelBits } from './hinton-nowlan.ts'

/** What is passed on from one generation to the next. */
export interface Inheritance {
  /** `genes`: selected and recombined first guesses, and the learner is deleted. `weights`: the learner itself, never deleted. */
  readonly kind: 'genes' | 'weights'
  /** Demonstrations of a teacher that a newborn sees, from the generation `from` on. */
  readonly lessons?: number
  readonly from?: number
  /** The probability that one is wrong. */
  readonly noise?: number
  /** From this generation on there are eight times as many lessons: a second bottleneck that opens. */
  readonly again?: number
}

/** Bits of the environment, learners, and what each of them can learn by itself in a life. */
export const world = { bits: 512, learners: 16, life: 8, drift: 0.002, generations: 120 } as const

/** What a population knows, generation by generation. */
export interface Course {
  /** The share of the environment that learners predict at the end of life, from ½ (nothing) to 1. */
  readonly skill: Float64Array
  /** The bits that a newborn predicts before it learns. */
  readonly newborn: Float64Array
}

/**
 * Generations of learners in one environment of random bits that slowly drifts. Every way has the same compute: `learners` × `life`
 * lessons of the environment in a generation, and a learner that is never deleted gets them all.
 */
export function generations(
  { kind, lessons = 0, from = 0, noise = 0, again = Number.POSITIVE_INFINITY }: Inheritance,
  rng: Stream,
): Course {
  const { bits, learners, life, drift, generations: count } = world
  const bit = () => (rng.uniform() < 0.5 ? 0 : 1)
  const truth = Uint8Array.from({ length: bits }, bit)
  let genes = Array.from({ length: learners }, () => Uint8Array.from({ length: bits }, bit))
  let teacher: { belief: Uint8Array; known: Uint8Array } | undefined
  const [lasting, lastingKnown] = [Uint8Array.from({ length: bits }, bit), new Uint8Array(bits)]
  const [skill, newborn] = [new Float64Array(count), new Float64Array(count)]
  for (let generation = 0; generation < count; generation++) {
    for (let i = 0; i < bits; i++) if (rng.uniform() < drift) truth[i] = 1 - truth[i]!
    if (kind === 'weights') {
      newborn[generation] = bitsKnown(lasting, truth)
      learn(lasting, lastingKnown, truth, learners * life, rng)
      skill[generation] = share(lasting, truth)
      continue
    }
    const born = genes.map((gene) => ({ belief: gene.slice(), known: new Uint8Array(bits) }))
    const taught = generation >= from ? (generation >= again ? 8 * lessons : lessons) : 0
    if (teacher && taught > 0 && channelBits(noise) > 0) for (const pupil of born) copy(teacher, pupil, taught, noise, rng)
    newborn[generation] = born.reduce((sum, { belief }) => sum + bitsKnown(belief, truth), 0) / learners
    for (const { belief, known } of born) learn(belief, known, truth, life, rng)
    const skills = born.map(({ belief }) => share(belief, truth))
    skill[generation] = skills.reduce((sum, x) => sum + x, 0) / learners
    const order = skills.map((_, i) => i).toSorted((a, b) => skills[b]! - skills[a]!)
    teacher = born[order[0]!]!
    // The better half are parents; each allele comes from either, and is copied wrongly once in a genome.
    const parents = order.slice(0, learners / 2).map((i) => genes[i]!)
    genes = born.map(() => {
      const [a, b] = [parents[rng.below(parents.length)]!, parents[rng.below(parents.length)]!]
      return a.map((gene, i) => (rng.uniform() < 1 / bits ? 1 - gene : rng.uniform() < 0.5 ? gene : b[i]!))
    })
  }
  return { skill, newborn }
}

/** Lessons of the environment: of what is not known yet while there is any, else of anything. */
function learn(belief: Uint8Array, known: Uint8Array, truth: Uint8Array, lessons: number, rng: Stream): void {
  for (let lesson = 0; lesson < lessons; lesson++) {
    let i = rng.below(belief.length)
    for (let tries = 0; known[i] === 1 && tries < 8; tries++) i = rng.below(belief.length)
    belief[i] = truth[i]!
    known[i] = 1
  }
}

/** Demonstrations of what a teacher knows, some of them wrong. */
function copy(
  teacher: { belief: Uint8Array; known: Uint8Array },
  pupil: { belief: Uint8Array; known: Uint8Array },
  lessons: number,
  noise: number,
  rng: Stream,
) {
  const known = [...teacher.known.keys()].filter((i) => teacher.known[i] === 1)
  for (let lesson = 0; lesson < lessons && known.length > 0; lesson++) {
    const i = known[rng.below(known.length)]!
    const said = teacher.belief[i]!
    pupil.belief[i] = rng.uniform() < noise ? 1 - said : said
    pupil.known[i] = 1
  }
}

function share(belief: Uint8Array, truth: Uint8Array): number {
  let right = 0
  for (let i = 0; i < truth.length; i++) right += Number(belief[i] === truth[i])
  return right / truth.length
}

/** Σ (1 − H₂(error)) over all bits, at the one error that all have: what is known of the environment. */
function bitsKnown(belief: Uint8Array, truth: Uint8Array): number {
  const right = share(belief, truth)
  return right <= 0.5 ? 0 : truth.length * channelBits(1 - right)
}

/** How much faster skill rises in the ten generations from one on than in the ten before it. */
export function jumpAt(skill: Float64Array, generation: number): number {
  const rise = (from: number) => skill[from + 10]! - skill[from]!
  return rise(generation - 1) - rise(generation - 11)
}
