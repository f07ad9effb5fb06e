import { afterAll, describe, expect, it } from 'vitest'
import { topEigen } from '../curvature/index.ts'
import { openEngine } from '../engine/index.ts'
import { type Case, openCase, plants, smallModel, smallPairs, thresholds } from './index.ts'
import { landscapeOf } from './step-landscape.ts'
import { wall } from './wall.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())
const [model, examples] = [smallModel(0), smallPairs(0, 8)]
const open = (one: Case) => openCase(engine, one, { model, examples, seed: 0, steps: 1, batch: 2 })
const plain: Case = { name: 'plain', about: 'nothing', fires: [], recipe: () => ({}) }
const unseen = plants.find(({ name }) => name === 'wall that curvature cannot see')!

describe('the curvature of a step', () => {
  it('is the difference of its gradients, by definition in f64; the engine has the same in f32', async () => {
    const target = await open(plain)
    const values = await target.parameters()
    const at = { now: target.plan[0]!, step: 1 }
    const [exact, single] = [await target.lossOf(at, 'f64'), await target.lossOf(at, 'f32')]
    const name = 'params.blocks.0.attn.v'
    const direction = { [name]: { ...values[name]!, data: values[name]!.data.map((_, i) => Math.cos(i)) } }
    const moved = (h: number) => ({
      [name]: { ...values[name]!, data: Float64Array.from(values[name]!.data, (x, i) => x + h * Math.cos(Math.fround(i))) },
    })
    const h = 1e-5
    const [up, down] = [(await exact.gradient(moved(h))).gradient[name]!.data, (await exact.gradient(moved(-h))).gradient[name]!.data]
    const wanted = Array.from(up, (x, i) => (x - down[i]!) / (2 * h))
    const length = (v: ArrayLike<number>) => Math.sqrt(Array.from(v).reduce((total, x) => total + x * x, 0))
    for (const [loss, within] of [
      [exact, 1e-6],
      [single, 1e-4],
    ] as const) {
      // biome-ignore format: one line
      const got = (await loss.curvature(direction))[name]!.data
      expect(length(Array.from(got, (x, i) => x - wanted[i]!)) / length(wanted)).toBeLessThan(within)
      await loss.close()
    }
    await target.close()
  })
})

describe('the wall that curvature cannot see', () => {
  it('leaves gradient and largest curvature of its tensor as they are, and is found at a radius', async () => {
    const seen = []
    for (const one of [plain, unseen]) {
      const target = await open(one)
      const loss = await target.lossOf({ now: target.plan[0]!, step: 1 }, 'f32')
      const whole = landscapeOf(loss, await target.parameters())
      const [top] = await topEigen(whole.hessian.block(['params.norm']), 1, { steps: 8 })
      const [row] = (await wall.measure!(target, { seed: 0 })).filter(({ tensor }) => tensor === 'norm')
      seen.push({ curvature: top!.value, slope: (await loss.gradient()).gradient['params.norm']!.data, row: row! })
      await loss.close()
      await target.close()
    }
    const [without, within] = seen
    expect(within!.curvature / without!.curvature).toBeCloseTo(1, 3)
    expect(Array.from(within!.slope, (x, i) => Math.abs(x - without!.slope[i]!)).every((x) => x < 1e-6)).toBe(true)
    expect(without!.row).toMatchObject({ finding: 'clean' })
    expect(within!.row).toMatchObject({ finding: 'found', threshold: thresholds.wall })
    expect(within!.row.statistic).toBeGreaterThan(10 * thresholds.wall)
  })
})
