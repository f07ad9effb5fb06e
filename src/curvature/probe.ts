import { UserError } from '../graph/index.ts'
import type { Landscape } from './landscape.ts'
import { addScaled, dot, norm, randomDirection, scaled, type Vector } from './vector.ts'

/** How a probe chose where to look. */
export type ProbeWay = 'descent' | 'ascent' | 'random'

/** One place at a distance, and the loss there. */
export interface Probe {
  readonly way: ProbeWay
  readonly moved: Vector
  readonly distance: number
  /** L(θ + δ) − L(θ). */
  readonly rise: number
  /** What the gradient and the Hessian foretell, g·δ + ½·δᵀHδ; NaN of a landscape without a Hessian. */
  readonly foretold: number
}

export interface Probes {
  /** The loss where nothing is moved. */
  readonly value: number
  readonly slope: Vector
  readonly probes: readonly Probe[]
  /** That with the largest rise. */
  readonly highest: Probe
}

export interface ProbeOptions {
  /** The largest distance ‖δ‖. */
  readonly radius: number
  /** Distances to look at on the way, as shares of the radius. Default ¼, ½ and 1. */
  readonly shares?: readonly number[]
  /** Random directions, each looked at on both sides. Default 4. */
  readonly directions?: number
  /** Climbs: the first starts here, the others from random places at the radius. Default 2. */
  readonly ascents?: number
  /** Steps of each climb. Default 4. */
  readonly steps?: number
  readonly seed?: number
}

/**
 * How high the loss rises within a radius: along −g, where training goes; along random directions; and by climbing on the sphere. It sees a wall
 * at a distance where gradient and curvature are nothing, which no quantity at the parameters themselves can see.
 *
 * throws  UserError for a radius that is not above 0, and when a loss is not finite where nothing is moved
 * limits  a random direction of n numbers moves along a given one by about radius/√n: probe parts by themselves (`along`)
 * source  Foret et al. 2021, arXiv:2010.01412, equation 2, iterated
 */
export async function probe(of: Landscape, options: ProbeOptions): Promise<Probes> {
  const { radius, shares = [0.25, 0.5, 1], directions = 4, ascents = 2, steps = 4, seed = 0 } = options
  if (!(radius > 0)) throw new UserError(`probe: radius must be above 0, got ${radius}; take about the distance of the training to come`)
  const still = new Float64Array(of.size)
  const [value, slope] = [await of.value(still), await of.slope(still)]
  if (!Number.isFinite(value)) throw new UserError(`probe: a loss must be finite, got ${value} where nothing is moved; look there first`)
  const probes: Probe[] = []
  const look = async (way: ProbeWay, direction: Vector) => {
    const bend = of.hessian ? dot(direction, await of.hessian.apply(direction)) : Number.NaN
    for (const share of shares) {
      const distance = share * radius
      const moved = scaled(distance, direction)
      const foretold = distance * dot(slope, direction) + (distance ** 2 * bend) / 2
      probes.push({ way, moved, distance, rise: (await of.value(moved)) - value, foretold })
    }
  }
  const length = norm(slope)
  if (length > 0) await look('descent', scaled(-1 / length, slope))
  for (let i = 0; i < directions; i++) {
    const direction = randomDirection(of.size, seed, `probe ${i}`)
    await look('random', direction)
    await look('random', scaled(-1, direction))
  }
  for (let i = 0; i < ascents; i++)
    await look(
      'ascent',
      await climbed(of, i === 0 ? still : scaled(radius, randomDirection(of.size, seed, `ascent ${i}`)), { radius, steps, slope }),
    )
  const known = probes.filter(({ rise }) => !Number.isNaN(rise))
  return { value, slope, probes, highest: known.reduce((a, b) => (b.rise > a.rise ? b : a), known[0]!) }
}

/** The direction that steps up the gradient lead to, each brought back to the radius. */
async function climbed(
  of: Landscape,
  start: Vector,
  { radius, steps, slope }: { readonly radius: number; readonly steps: number; readonly slope: Vector },
): Promise<Vector> {
  let place = start
  for (let step = 0; step < steps; step++) {
    const up = step === 0 && norm(place) === 0 ? slope : await of.slope(place)
    const length = norm(up)
    if (!(length > 0 && Number.isFinite(length))) break
    const next = addScaled(place.slice(), radius / length, up)
    const far = norm(next)
    if (far === 0) break
    place = scaled(radius / far, next)
  }
  const far = norm(place)
  return far > 0 ? scaled(1 / far, place) : randomDirection(of.size, 0, 'nowhere to climb')
}

/** The loss along a direction, at each of some distances; negative ones lie on the other side. */
export async function profile(
  of: Landscape,
  direction: Vector,
  distances: readonly number[],
): Promise<readonly { readonly distance: number; readonly value: number }[]> {
  const length = norm(direction)
  if (!(length > 0)) throw new UserError(`profile: a direction must not be zero, got one of length ${length}; give another`)
  const found = []
  for (const distance of distances) found.push({ distance, value: await of.value(scaled(distance / length, direction)) })
  return found
}
