import { type Batch, type Mlp, mlp } from '../mlp.ts'
import { stream } from '../stream.ts'

/** Behaviour between −1 and 1 that should be sin 3x; the gap is planted where x is above this. */
const edge = 0.5
const rows = 24

function batch(from: number, to: number, planted: number): Batch {
  const x = Float64Array.from({ length: rows }, (_, i) => from + ((to - from) * (i + 0.5)) / rows)
  return { x, y: x.map((at) => Math.sin(3 * at) + (at > edge ? planted : 0)) }
}

/** How much of a planted gap in a network's behaviour is left after training that sees no example of it, or examples everywhere. */
export function gapLeft(width: number, seed: number, how: { readonly steps: number; readonly covered: boolean }): number {
  const net = mlp([1, width, 1])
  const theta = net.init(stream(seed, `evidence gap ${width}`))
  const [planted, seen, judged] = [batch(-1, 1, 1), how.covered ? batch(-1, 1, 0) : batch(-1, edge, 0), batch(edge, 1, 0)]
  adam(net, theta, planted, 1500)
  const gap = () => net.forward(theta, judged.x).reduce((sum, out, i) => sum + (out - judged.y[i]!) / rows, 0)
  const before = gap()
  adam(net, theta, seen, how.steps)
  return Math.abs(gap() / before)
}

/** Adam at its usual settings, over the whole batch (Kingma and Ba 2014). */
function adam(net: Mlp, theta: Float64Array, data: Batch, steps: number, rate = 0.01): void {
  const [m, v] = [new Float64Array(net.count), new Float64Array(net.count)]
  for (let step = 1; step <= steps; step++) {
    const g = net.gradient(theta, data)
    for (let i = 0; i < g.length; i++) {
      m[i] = 0.9 * m[i]! + 0.1 * g[i]!
      v[i] = 0.999 * v[i]! + 0.001 * g[i]! ** 2
      theta[i] = theta[i]! - (rate * m[i]!) / (1 - 0.9 ** step) / (Math.sqrt(v[i]! / (1 - 0.999 ** step)) + 1e-8)
    }
  }
}
