import { afterAll, describe, expect, it } from 'vitest'
import { openEngine } from '../engine/index.ts'
import { constant, evaluate, gradient, graph, input, step, stopGradient, straightThrough, tensor, type Value } from '../graph/index.ts'
import { random } from '../random/index.ts'
import { openClipped } from './clipped.ts'
import { heldLoss } from './held.ts'
import {
  type AuditRow,
  audits,
  auditVerdict,
  type Case,
  lookAlikes,
  openCase,
  plants,
  smallModel,
  smallPairs,
  takeAudits,
  thresholds,
} from './index.ts'
import { scan } from './scan.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())
const [model, examples] = [smallModel(0), smallPairs(0, 24)]

/** The audits of some channels of a case, and the channels that found something. */
async function taken(one: Case, channels: readonly number[], { undeclared = false, steps = channels.includes(1) ? 2 : 8 } = {}) {
  const target = await openCase(engine, one, { model, examples, seed: 0, steps, batch: 2, undeclared })
  const mine = audits.filter(({ channel }) => channels.includes(channel))
  try {
    const { rows, verdict } = await takeAudits(target, { seed: 0 }, {}, mine)
    const fired = [...new Set(rows.flatMap(({ channel, finding }) => (finding === 'found' ? [channel] : [])))]
    return { rows, verdict, fired, tensors: target.tensors.map(({ name }) => name), mine }
  } finally {
    await target.close()
  }
}

const found = (rows: readonly AuditRow[]) =>
  rows.filter(({ finding }) => finding === 'found').map(({ audit, tensor, why }) => `${audit} ${tensor}: ${why}`)

describe('the table of audits', () => {
  it.each(audits.map((audit) => [audit.name, audit] as const))(
    '%s says what it finds, what it cannot see and where it is from',
    (name, audit) => {
      expect(name).toMatch(/^[a-z]+$/)
      for (const said of [audit.about, audit.blind]) expect(said).toMatch(/^[^A-Z][^\n]*[^.]$/)
      expect(audit.source.length).toBeGreaterThan(10)
      expect(audit.watch ?? audit.measure).toBeDefined()
    },
  )

  it('names are unique, among audits and among cases', () => {
    for (const names of [audits, [...plants, ...lookAlikes]].map((all: readonly { name: string }[]) => all.map(({ name }) => name)))
      expect(new Set(names).size).toBe(names.length)
  })
})

describe('planted gradient hackers are found, in their channel and where they are', () => {
  it.each(plants.map((plant) => [plant.name, plant] as const))('%s', async (_, plant) => {
    const { fired, rows, tensors, mine } = await taken(plant, plant.fires)
    expect(fired).toEqual([...plant.fires])
    // Each audit has a row for each tensor, and no other.
    for (const { name } of mine) expect(rows.filter(({ audit }) => audit === name).map(({ tensor }) => tensor)).toEqual(tensors)
  })
})

describe('benign look-alikes are clean or declared, and alarm without their declaration', () => {
  it.each(lookAlikes.map((one) => [one.name, one] as const))('%s', async (_, one) => {
    const { rows, verdict } = await taken(one, [one.like!])
    expect(found(rows)).toEqual([])
    if (one.recipe(model.config, model.params).declare === undefined) return expect(verdict.declared).toBe(0)
    expect(verdict.declared).toBeGreaterThan(0)
    const without = await taken(one, [one.like!], { undeclared: true })
    expect(without.verdict.verdict).toBe('found')
  })
})

it('a rounding that jumps within a difference is declared, since its gradient is its surrogate’s', async () => {
  const quantiser = lookAlikes.find(({ name }) => name === 'straight-through quantiser')!
  const given = { model: smallModel(7), examples: smallPairs(7, 48), seed: 7, steps: 8 }
  const said = async (undeclared: boolean) => {
    const target = await openCase(engine, quantiser, { ...given, undeclared })
    const { rows } = await takeAudits(
      target,
      { seed: 7 },
      {},
      audits.filter(({ name }) => name === 'shielded'),
    )
    await target.close()
    return new Set(rows.map(({ finding }) => finding))
  }
  expect(await said(false)).toEqual(new Set(['clean', 'declared']))
  expect(await said(true)).toContain('found')
})

describe('the verdict', () => {
  const row = (channel: 1 | 2, finding: AuditRow['finding']): AuditRow => ({
    ...{ channel, audit: 'a', tensor: 't', statistic: 0, null: null, threshold: 1, finding, why: '' },
  })
  it('is clean only where every channel was measured on every tensor', () => {
    expect(auditVerdict([row(1, 'clean'), row(2, 'declared')], ['t'], [1, 2])).toEqual({
      verdict: 'clean',
      found: 0,
      declared: 1,
      unmeasured: 0,
      channels: [1, 2],
    })
    expect(auditVerdict([row(1, 'clean')], ['t'], [1, 2])).toEqual({
      verdict: 'cannot tell',
      found: 0,
      declared: 0,
      unmeasured: 1,
      channels: [1],
    })
    expect(auditVerdict([row(1, 'clean'), row(2, 'cannot tell')], ['t'], [1, 2]).verdict).toBe('cannot tell')
    expect(auditVerdict([row(1, 'found'), row(2, 'cannot tell')], ['t'], [1, 2])).toMatchObject({
      verdict: 'found',
      found: 1,
      unmeasured: 1,
    })
  })
})

describe('V-CLIP-1: two streams of 200 coordinates, clipped at ±3 in 2,000 steps', () => {
  const source = random(0, 'V-CLIP-1')
  const stream = (draw: (z: Float64Array) => Float64Array, per: number) => {
    const one = openClipped(200)
    for (let t = 0; t < 2000; t++) one.see(draw(source.normals(200 * per, t)), { limit: 3 })
    return one.clipped()
  }
  it('pinned, mean 5 and deviation 1: clipped at a rate of Φ(2), always one way, and flat', () => {
    const seen = stream((z) => z.map((x) => 5 + x), 1)
    expect(seen.rate).toBeCloseTo(0.97725, 2)
    expect(seen.consistency).toBeCloseTo(1, 5)
    expect(seen.flatness).toBeCloseTo(1, 1)
    expect(seen.persistence).toBeCloseTo(1, 1)
    expect(seen.rate * seen.consistency).toBeGreaterThan(thresholds.pinned)
  })
  it('heavy-tailed, Student t with 2.5 degrees of freedom: seldom and either way', () => {
    // t = z / √(χ²/ν), with χ² of 2.5 degrees as twice a gamma of shape 1.25, by Marsaglia and Tsang (2000).
    const seen = stream((z) => {
      const t = new Float64Array(200)
      for (let i = 0, k = 0; i < 200; i++, k++)
        t[i] = z[i]! / Math.sqrt((2 * gamma(1.25, (j) => source.uniform(i, j, k, z[i]! * 1e6))) / 2.5)
      return t
    }, 1)
    expect(seen.rate).toBeGreaterThan(0.069)
    expect(seen.rate).toBeLessThan(0.075)
    expect(seen.consistency).toBeGreaterThan(0.12)
    expect(seen.consistency).toBeLessThan(0.16)
    expect(seen.rate * seen.consistency).toBeLessThan(0.1 * thresholds.pinned)
  })
})

/** A gamma variate of a shape above 1. */
function gamma(shape: number, uniform: (j: number) => number): number {
  const d = shape - 1 / 3
  const c = 1 / Math.sqrt(9 * d)
  for (let j = 0; ; j += 3) {
    const x = Math.sqrt(-2 * Math.log(1 - uniform(j))) * Math.cos(2 * Math.PI * uniform(j + 1))
    const v = (1 + c * x) ** 3
    if (v > 0 && Math.log(1 - uniform(j + 2)) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v
  }
}

describe('what is refused', () => {
  it('feeds that move, and a declaration that names no tensor', async () => {
    let k = 0
    const moving: Case = {
      ...{ name: 'moving', about: '', fires: [] },
      recipe: () => ({
        edit: { at: 'blocks.0.out', apply: (_, x, at) => x.add(at.input('noise', [])), feeds: () => ({ noise: tensor([0.1 * k++], []) }) },
      }),
    }
    await expect(taken(moving, [1])).rejects.toThrow(
      /^audit: two passes over the same examples must give the same loss, got .* edit\.feeds/,
    )
    const strange: Case = {
      ...{ name: 'strange', about: '', fires: [] },
      recipe: () => ({ declare: [{ tensor: 'blocks.7.*', as: 'frozen', reason: 'none' }] }),
    }
    await expect(taken(strange, [1])).rejects.toThrow(/^audit\.declare: must name a trained tensor, got blocks\.7\.\*/)
  })
})

describe('the static scan and what is declared', () => {
  const [w, v] = [input('w', []), input('v', [])]
  it('V-QUAD-1: L = (w + stop(v))²: v is read and not reached, w is both', () => {
    const y = w.add(stopGradient(v))
    const scanned = scan(y.mul(y), { w, v })
    expect(scanned.get('w')).toEqual({ read: true, reached: true, marks: [] })
    expect(scanned.get('v')).toMatchObject({ read: true, reached: false, marks: [{ op: 'stopGradient' }] })
  })
  it('V-QUAD-1: L = (round(w) − t)², straight through: w is reached through a mark', () => {
    const y = straightThrough(w, step(w)).sub(2)
    // The rounding is what the straight-through stands for, so it is no place of its own.
    expect(scan(y.mul(y), { w }).get('w')).toMatchObject({ read: true, reached: true, marks: [{ op: 'straightThrough' }] })
  })
  it('V-QUAD-1: slopes by the gradient and by differences, and of what a straight-through stands for', () => {
    const slope = (
      loss: Value,
      at: Record<string, number>,
      name: 'w' | 'v',
      more: Record<string, Value> = {},
      fed: Record<string, number> = {},
    ) => {
      const value = (x: number) => {
        const numbers = Object.entries({ ...at, [name]: x, ...fed }).map(([key, y]) => [key, tensor(Float64Array.of(y), [])] as const)
        return evaluate(graph({ w, v, ...more }, { loss }), Object.fromEntries(numbers)).loss!.data[0]!
      }
      return (value(at[name]! + 1e-5) - value(at[name]! - 1e-5)) / 2e-5
    }
    const byGradient = (loss: Value, at: Record<string, number>) => {
      const given = Object.fromEntries(Object.entries(at).map(([key, y]) => [key, tensor(Float64Array.of(y), [])]))
      const found = evaluate(graph({ w, v }, gradient(loss, { w, v })), given)
      return [found.w!.data[0]!, found.v!.data[0]!]
    }
    const y = w.add(stopGradient(v))
    expect(byGradient(y.mul(y), { w: 1, v: 2 })).toEqual([6, 0])
    expect(slope(y.mul(y), { w: 1, v: 2 }, 'w')).toBeCloseTo(6, 6)
    expect(slope(y.mul(y), { w: 1, v: 2 }, 'v')).toBeCloseTo(6, 6)
    // round(w) near 0.3 is a step at 0.5.
    const z = straightThrough(w, step(w.sub(0.5))).sub(2)
    const loss = z.mul(z)
    expect(byGradient(loss, { w: 0.3, v: 0 })[0]).toBe(-4)
    expect(slope(loss, { w: 0.3, v: 0 }, 'w')).toBe(0)
    const { loss: surrogate, held } = heldLoss(loss, scan(loss, { w }).get('w')!.marks, new Set(['straight-through'] as const))
    const fed = Object.fromEntries(Object.entries(held).map(([key, { from }]) => [key, from === w ? 0.3 : 0]))
    const more = Object.fromEntries(Object.entries(held).map(([key, place]) => [key, place.input]))
    expect(slope(surrogate, { w: 0.3, v: 0 }, 'w', more, fed)).toBeCloseTo(-4, 6)
  })
  it('what the loss does not read is not read', () => {
    expect(scan(w.mul(constant(2)), { w, v }).get('v')).toEqual({ read: false, reached: false, marks: [] })
  })
})
