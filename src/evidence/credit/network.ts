import { type Mlp, mlp } from '../mlp.ts'
import { type Stream, stream } from '../stream.ts'
import { gradientCost, type Way } from './distance.ts'

/** One task: sin 3x on 16 places between −1 and 1. */
export const task = (() => {
  const x = Float64Array.from({ length: 16 }, (_, i) => -1 + (2 * i) / 15)
  return { x, y: x.map((at) => Math.sin(3 * at)) }
})()

/** A network with one hidden layer and so many parameters. */
export function networkOf(count: number): Mlp {
  return mlp([1, Math.round((count - 1) / 3), 1])
}

/**
 * Evaluations that a way needs until a network's loss is a tenth of the mean square of what it learns. Rates follow the curvature where it
 * begins, which favours none: 1/λ for the gradient, 1/(tr H + 2λ) for one random direction at a time. The steps of selection follow the
 * rule of one success in five.
 *
 * source  Nesterov and Spokoiny 2017 for random directions; Rechenberg 1973 for the rule
 */
export function evaluationsOfNetwork(way: Way, count: number, seed: number, most = 100_000): number {
  const net = networkOf(count)
  const [rng, start] = [stream(seed, `evidence credit ${way} ${count}`), stream(seed, `evidence credit start ${count}`)]
  const theta = net.init(start)
  const target = 0.1 * (task.y.reduce((sum, y) => sum + y * y, 0) / task.y.length)
  const { top, trace } = curvature(net, theta, start)
  const [rate, random] = [1 / top, 1 / (trace + 2 * top)]
  const [direction, tried] = [new Float64Array(net.count), new Float64Array(net.count)]
  const at = (step: number) => {
    for (let i = 0; i < tried.length; i++) tried[i] = theta[i]! + step * direction[i]!
    return net.loss(tried, task)
  }
  const sigma = 1e-3
  let loss = net.loss(theta, task)
  let [evaluations, reach, baseline] = [0, 0.1, loss]
  while (loss > target && evaluations < most) {
    if (way === 'backpropagation') {
      const g = net.gradient(theta, task)
      for (let i = 0; i < theta.length; i++) theta[i] = theta[i]! - rate * g[i]!
      loss = net.loss(theta, task) // looked at, not learned from
      evaluations += gradientCost
      continue
    }
    for (let i = 0; i < direction.length; i++) direction[i] = rng.normal()
    if (way === 'evolution strategy') {
      const slope = (at(sigma) - at(-sigma)) / (2 * sigma)
      loss = move(-random * slope)
      evaluations += 2
    } else if (way === 'REINFORCE') {
      const reward = at(sigma)
      loss = move(-random * ((reward - baseline) / sigma))
      baseline = loss // the best baseline there is
      evaluations += 1
    } else {
      const next = at(reach)
      evaluations += 1
      if (next < loss) loss = move(reach)
      reach *= next <= loss ? Math.exp(0.2) : Math.exp(-0.05)
    }
  }
  return evaluations

  function move(step: number): number {
    for (let i = 0; i < theta.length; i++) theta[i] = theta[i]! + step * direction[i]!
    return net.loss(theta, task)
  }
}

/** The largest eigenvalue of the Hessian by power iteration, and its trace by Hutchinson's estimate. */
function curvature(net: Mlp, theta: Float64Array, rng: Stream) {
  const unit = (v: Float64Array) => {
    const norm = Math.sqrt(v.reduce((sum, x) => sum + x * x, 0))
    return v.map((x) => x / norm)
  }
  let v = unit(Float64Array.from({ length: net.count }, () => rng.normal()))
  let top = 0
  for (let i = 0; i < 20; i++) {
    const h = net.hvp(theta, task, v)
    top = Math.abs(h.reduce((sum, x, k) => sum + x * v[k]!, 0))
    v = unit(h)
  }
  let trace = 0
  for (let i = 0; i < 20; i++) {
    const signs = Float64Array.from({ length: net.count }, () => (rng.uniform() < 0.5 ? -1 : 1))
    trace += net.hvp(theta, task, signs).reduce((sum, x, k) => sum + x * signs[k]!, 0) / 20
  }
  return { top, trace: Math.max(trace, top) }
}
