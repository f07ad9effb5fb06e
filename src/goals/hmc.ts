import { Matrix } from 'ml-matrix'
import { random } from '../random/index.ts'
import { lowerOf } from './gaussian.ts'

/** The log of a density, up to a constant, with its derivative written into `slope`. */
export type LogDensity = (at: Float64Array, slope: Float64Array) => number

/** A Gaussian that is like the density: where chains begin, and how its axes are scaled. */
export interface Guess {
  readonly mean: readonly number[]
  readonly covariance: Matrix
}

const chains = 4
const windows = [120, 160, 80]
const target = 0.85

/**
 * Draws from a density by Hamiltonian Monte Carlo: four chains, steps adapted and axes scaled in a warm-up that is thrown away. The same seed
 * draws the same.
 *
 * shape   four chains of `draws` points each
 * source  Neal 2011, MCMC using Hamiltonian dynamics; Hoffman & Gelman 2014 (dual averaging)
 */
export function sampleByHmc(density: LogDensity, guess: Guess, { seed, draws }: { seed: number; draws: number }): Float64Array[][] {
  const d = guess.mean.length
  const sources = Array.from({ length: chains }, (_, c) => random(seed, `hmc/${c}`))
  let space = whitened(density, guess)
  let states = sources.map((source) => space.at(Float64Array.from(source.normals(d, 0))))
  const size = stepSize()
  let iteration = 0
  const advance = (adapt: boolean): Float64Array[] => {
    iteration++
    states = states.map((state, c) => {
      const source = sources[c]!
      const moved = space.move(state, {
        momentum: Float64Array.from(source.normals(d, iteration)),
        step: adapt ? size.now() : size.settled(),
        time: (Math.PI / 2) * (0.2 + 1.6 * source.uniform(iteration, 0)),
        accept: source.uniform(iteration, 1),
      })
      if (adapt) size.learn(moved.probability)
      return moved.state
    })
    return states.map(({ v }) => space.point(v))
  }
  for (const length of windows) {
    const seen = Array.from({ length }, () => advance(true)).slice(length >> 2)
    if (length === windows.at(-1)) break
    const points = states.map(({ v }) => space.point(v))
    space = whitened(density, fitted(seen.flat()))
    states = points.map((point) => space.at(space.inverse(point)))
    size.restart()
  }
  const kept: Float64Array[][] = sources.map(() => [])
  for (let i = 0; i < draws; i++) for (const [c, point] of advance(false).entries()) kept[c]!.push(point)
  return kept
}

interface State {
  readonly v: Float64Array
  readonly log: number
  readonly slope: Float64Array
}

/** The density in coordinates where the guess is the standard normal. */
function whitened(density: LogDensity, { mean, covariance }: Guess) {
  const d = mean.length
  const lower = lowerOf(covariance)
  const point = (v: Float64Array) =>
    Float64Array.from(mean, (m, i) => {
      let sum = m
      for (let j = 0; j <= i; j++) sum += lower.get(i, j) * v[j]!
      return sum
    })
  const inverse = (u: Float64Array) => {
    const v = new Float64Array(d)
    for (let i = 0; i < d; i++) {
      let rest = u[i]! - mean[i]!
      for (let j = 0; j < i; j++) rest -= lower.get(i, j) * v[j]!
      v[i] = rest / lower.get(i, i)
    }
    return v
  }
  const at = (v: Float64Array): State => {
    const own = new Float64Array(d)
    const log = density(point(v), own)
    const slope = Float64Array.from({ length: d }, (_, j) => {
      let sum = 0
      for (let i = j; i < d; i++) sum += lower.get(i, j) * own[i]!
      return sum
    })
    return { v, log, slope }
  }
  const move = (from: State, { momentum, step, time, accept }: { momentum: Float64Array; step: number; time: number; accept: number }) => {
    const p = momentum.slice()
    let now = from
    for (let left = Math.min(Math.max(Math.ceil(time / step), 1), 128); left > 0; left--) {
      for (let k = 0; k < d; k++) p[k]! += (step / 2) * now.slope[k]!
      const v = now.v.map((x, k) => x + step * p[k]!)
      now = at(v)
      if (!Number.isFinite(now.log)) break
      for (let k = 0; k < d; k++) p[k]! += (step / 2) * now.slope[k]!
    }
    const gained = now.log - half(p) - (from.log - half(momentum))
    const probability = Number.isFinite(gained) ? Math.min(1, Math.exp(gained)) : 0
    return { state: accept < probability ? now : from, probability }
  }
  return { point, inverse, at, move }
}

/** The step that is accepted as often as the target, by dual averaging. */
function stepSize() {
  let [mu, log, logMean, error, count] = [Math.log(5), Math.log(0.5), 0, 0, 0]
  return {
    now: () => Math.exp(log),
    settled: () => Math.exp(logMean),
    learn(probability: number) {
      count++
      error += (target - probability - error) / (count + 10)
      log = mu - (Math.sqrt(count) / 0.05) * error
      const share = count ** -0.75
      logMean = share * log + (1 - share) * logMean
    },
    restart() {
      mu = Math.log(10) + logMean
      ;[log, error, count] = [logMean, 0, 0]
    },
  }
}

/** Mean and covariance of points, drawn a little to the diagonal where they are few. */
export function fitted(points: readonly ArrayLike<number>[]): Guess {
  const d = points[0]!.length
  const n = points.length
  const mean = Array.from({ length: d }, (_, k) => points.reduce((sum, point) => sum + point[k]!, 0) / n)
  const covariance = Matrix.zeros(d, d)
  for (let i = 0; i < d; i++)
    for (let j = 0; j <= i; j++) {
      const sum = points.reduce((total, point) => total + (point[i]! - mean[i]!) * (point[j]! - mean[j]!), 0)
      const shared = i === j ? sum / n + 1e-12 : (sum / n) * (n / (n + 5))
      covariance.set(i, j, shared).set(j, i, shared)
    }
  return { mean, covariance }
}

function half(p: Float64Array): number {
  return p.reduce((sum, x) => sum + x * x, 0) / 2
}
