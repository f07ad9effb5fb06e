import { describe, expect, it } from 'vitest'
import { type Batch, mlp } from './mlp.ts'
import { stream } from './stream.ts'

describe.each([[[2, 5, 3]], [[1, 4, 6, 1]], [[3, 2]]])('a network of %j', (sizes) => {
  const net = mlp(sizes)
  const rng = stream(1, 'mlp test')
  const theta = net.init(rng).map((x) => x + 0.1 * rng.normal())
  const rows = 4
  const batch: Batch = {
    x: Float64Array.from({ length: rows * sizes[0]! }, () => rng.normal()),
    y: Float64Array.from({ length: rows * sizes.at(-1)! }, () => rng.normal()),
  }
  const moved = (v: Float64Array, h: number) => theta.map((x, i) => x + h * v[i]!)
  const h = 1e-5
  const v = Float64Array.from({ length: net.count }, () => rng.normal())

  it('has its parameters one after the other', () => {
    expect(net.count).toBe(sizes.slice(1).reduce((sum, m, l) => sum + m * (sizes[l]! + 1), 0))
    expect(net.head).toBe(net.count - sizes.at(-1)! * (sizes.at(-2)! + 1))
  })

  it('has the gradient of central differences', () => {
    const g = net.gradient(theta, batch)
    for (let i = 0; i < net.count; i++) {
      const unit = new Float64Array(net.count)
      unit[i] = 1
      expect(g[i]).toBeCloseTo((net.loss(moved(unit, h), batch) - net.loss(moved(unit, -h), batch)) / (2 * h), 8)
    }
  })

  it('has the Hessian of central differences of the gradient', () => {
    const [up, down, found] = [net.gradient(moved(v, h), batch), net.gradient(moved(v, -h), batch), net.hvp(theta, batch, v)]
    for (let i = 0; i < net.count; i++) expect(found[i]).toBeCloseTo((up[i]! - down[i]!) / (2 * h), 7)
  })
})
