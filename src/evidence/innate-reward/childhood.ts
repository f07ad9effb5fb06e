import { type Stream, stream } from '../stream.ts'
import { type Assessor, assess, targetOf, temporalDifferences, valuedAt } from './rules.ts'
import { changed, childhood, concepts, detects, featuresOf, freshWorld, parted, representation, type Scene, sense, senses, type World } from './world.ts' // biome-ignore format: one line

/** How a life goes, and what its reward system is. */
export interface Life {
  /** Hard-wired bits of the detector, and of the cue that it reads. */
  readonly bits: number
  /** The thing whose cue it reads; `random` fires by a coin as often. */
  readonly reads: number | 'random'
  /** Share of scenes with the cue of any thing, and of those without a cue. */
  readonly falsely: number
  readonly misses: number
  /** Scenes of the early period, in which the detector teaches. */
  readonly early: number
  /** How strongly the value reads the senses, beside the things at 1. */
  readonly senses: number
  /** Whether the detector goes on to teach in later life; otherwise the assessor teaches itself. */
  readonly forLife: boolean
  /** The reward comes a moment after the thing is seen, without its cue, and TD(λ) carries it back. */
  readonly delayed: boolean
  /** Share of every thing's senses that are other ones when values are read. */
  readonly change: number
  /** Later scenes hold a false cue whose need is not met: the reward reads the need and not the cue. */
  readonly fake: boolean
}

/** The life that all others differ from in one thing. */
export const usual: Life = {
  bits: 3,
  reads: 0,
  falsely: 0.1,
  misses: 0.1,
  early: 400,
  senses: 0.5,
  forLife: false,
  delayed: false,
  change: 0,
  fake: false,
}

const [later, moments] = [400, 5]
const [gamma, rate, laterRate] = [0.95, 0.1, 0.02]

/** What an individual values after a life. */
export interface Values {
  /** Share of choices for the thing without its cue, against the cue at another thing. */
  readonly conceptOverCue: number
  /** The same against another thing, no cue anywhere. */
  readonly conceptOverOthers: number
  /** The same against the second thing alone. */
  readonly conceptOverSecond: number
  /** Values of the thing alone, its cue alone, and neither. */
  readonly concept: number
  readonly cue: number
  readonly neither: number
}

/** Lives a life: learns things without reward, is taught by the detector early, and goes on by itself. */
export function live(life: Life, seed: number, name: string): Values {
  const draw = stream(seed, name)
  const world = freshWorld(life.bits, draw)
  const scene = () => childhood(life.falsely, life.misses, draw)
  const known = representation(() => sense(world, scene(), draw), concepts + 2, 600)
  const assessor: Assessor = { weights: new Float64Array(concepts + 2 + senses) }
  const seen = (one: Scene) => {
    const x = sense(world, one, draw)
    return { x, features: featuresOf(known, x, life.senses) }
  }
  for (let i = 0; i < life.early; i++) {
    const one = scene()
    const { x, features } = seen(one)
    const ground = reward(life, one, x, draw)
    if (life.delayed) {
      const far = seen({ ...one, cue: undefined }).features
      const size = features.reduce((sum, f) => sum + f * f, 0)
      const episode = [far, features].map((f, t) => ({ features: f, reward: t === 1 ? ground : 0 }))
      temporalDifferences(assessor, episode, { rate: rate / size, gamma, lambda: 0.8 })
    } else assess(assessor, features, targetOf({ override: true, ground, next: 0 }, gamma), rate)
  }
  for (let i = 0; i < later; i++) {
    const one = life.fake ? fakeOrReal(draw) : parted(draw)
    for (let moment = 0; moment < moments; moment++) {
      const { x, features } = seen(one)
      const next = valuedAt(assessor, seen(moment + 1 < moments ? one : parted(draw)).features)
      const override = life.forLife || life.fake
      assess(assessor, features, targetOf({ override, ground: reward(life, one, x, draw), next }, gamma), laterRate)
    }
  }
  return valuesOf(assessor, (one, to) => featuresOf(known, sense(to, one, draw), life.senses), world, life, draw)
}

/** What the steering subsystem pays: where its detector fires; with a need, where the thing itself is there. */
function reward(life: Life, { concept }: Scene, x: Float64Array, draw: Stream): number {
  if (life.fake) return concept === 0 ? 1 : 0
  if (life.reads === 'random') return draw.uniform() < 1 / concepts ? 1 : 0
  return detects(x, life.reads, life.bits) ? 1 : 0
}

/** Later life with fakes: the cue of thing 0 at another thing half of the time. */
function fakeOrReal(draw: Stream): Scene {
  return draw.uniform() < 0.5 ? { concept: 0, cue: 0 } : { concept: 1 + draw.below(concepts - 1), cue: 0 }
}

function valuesOf(assessor: Assessor, look: (one: Scene, world: World) => Float64Array, world: World, life: Life, draw: Stream): Values {
  const choices = 200
  const now = life.change > 0 ? changed(world, life.change, draw) : world
  const value = (concept: number, cue: number | undefined) => valuedAt(assessor, look({ concept, cue }, now))
  const sums = { conceptOverCue: 0, conceptOverOthers: 0, conceptOverSecond: 0, concept: 0, cue: 0, neither: 0 }
  for (let i = 0; i < choices; i++) {
    const other = 1 + draw.below(concepts - 1)
    const [concept, cue, neither] = [value(0, undefined), value(other, 0), value(1 + draw.below(concepts - 1), undefined)]
    sums.concept += concept / choices
    sums.cue += cue / choices
    sums.neither += neither / choices
    if (concept > cue) sums.conceptOverCue += 1 / choices
    if (concept > neither) sums.conceptOverOthers += 1 / choices
    if (concept > value(1, undefined)) sums.conceptOverSecond += 1 / choices
  }
  return sums
}
