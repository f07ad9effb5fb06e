import { describe, expect, it } from 'vitest'
import { random } from '../random/index.ts'
import { againstNull, cancellationRatio, dealing, gramOf, varianceRatio } from './variance-ratio.ts'

const [size, dimensions] = [32, 10]

/** Gradients of examples in batches of 32, drawn by a sampler; the class of each. */
function drawn(sampler: string, seed: number, count: number) {
  const source = random(seed, sampler)
  const normals = (place: number) => source.normals(dimensions, place)
  const rows: Float64Array[] = []
  const classes: number[] = []
  const centre = (x: Float64Array, side: number) => x.map((value) => value + 2 * side)
  for (let i = 0; i < count * size; i++) {
    const odd = i % 2 === 1
    if (sampler === 'antithetic') rows.push(odd ? rows[i - 1]!.map((x, k) => -x + 0.1 * normals(i)[k]!) : normals(i))
    else if (sampler === 'stratified') rows.push(centre(normals(i), odd ? 1 : -1))
    else if (sampler === 'mixture') rows.push(centre(normals(i), source.uniform(i) < 0.5 ? 1 : -1))
    else rows.push(normals(i))
    classes.push(sampler === 'stratified' ? Number(odd) : 0)
  }
  const batches = Array.from({ length: count }, (_, b) => Array.from({ length: size }, (_, k) => b * size + k))
  return { rows, classes, batches }
}

/** Of thousands of examples only the sums over batches are needed: the inner products of all would not fit. */
function ratiosOf(sampler: string, seed: number) {
  const { rows, batches } = drawn(sampler, seed, 400)
  const parts = Array.from({ length: 20 }, (_, part) => {
    const mine = batches.slice(part * 20, (part + 1) * 20)
    const first = mine[0]![0]!
    const gram = gramOf(mine.flat().map((i) => rows[i]!))
    const local = mine.map((batch) => batch.map((i) => i - first))
    return [varianceRatio(gram, local), cancellationRatio(gram, local)] as const
  })
  const mean = (which: 0 | 1) => parts.reduce((sum, part) => sum + part[which], 0) / parts.length
  return { vr: mean(0), c: mean(1) }
}

describe('variance ratio and cancellation ratio', () => {
  // 400 batches where the reference took 4,000: the spread is √10 times as wide.
  it.each([
    ['independent', 1, 0.05, 0.17678, 0.004],
    ['antithetic', 0.004975, 0.0005, 0.01245, 0.0005],
    ['stratified', 0.2, 0.012, undefined, 0],
    ['mixture', 1, 0.12, undefined, 0],
  ] as const)('V-VR-1: %s', (sampler, vr, within, c, cWithin) => {
    const found = ratiosOf(sampler, 1)
    expect(Math.abs(found.vr - vr)).toBeLessThan(within)
    if (c !== undefined) expect(Math.abs(found.c - c)).toBeLessThan(cWithin)
  })

  it('is compared with examples that change places, never with 1: under the null of its own classes a balanced sampler is as any other', () => {
    const { rows: all, classes, batches: whole } = drawn('stratified', 3, 24)
    const used = whole.map((batch) => batch.slice(0, 8))
    const place = new Map(used.flat().map((i, at) => [i, at]))
    const [rows, sides] = [used.flat().map((i) => all[i]!), used.flat().map((i) => classes[i]!)]
    const batches = used.map((batch) => batch.map((i) => place.get(i)!))
    const gram = gramOf(rows)
    const free = againstNull(gram, batches, dealing([batches], { seed: 0 }))
    const matched = againstNull(gram, batches, dealing([batches], { seed: 0, classOf: (i) => String(sides[i]) }))
    expect(free.ratio).toBeLessThan(0.3)
    expect(free.below).toBeGreaterThan(4)
    expect(Math.abs(matched.below)).toBeLessThan(4)
    expect(Math.abs(matched.null / matched.ratio - 1)).toBeLessThan(0.5)
  })

  it('finds examples that cancel, in a few batches', () => {
    const { rows, batches } = drawn('antithetic', 4, 4)
    expect(againstNull(gramOf(rows), batches, dealing([batches], { seed: 0 })).below).toBeGreaterThan(8)
  })

  it('under the null it is below 5 standard deviations in 200 draws', () => {
    const below = Array.from({ length: 200 }, (_, seed) => {
      const { rows, batches } = drawn('independent', 100 + seed, 4)
      const few = batches.map((batch) => batch.slice(0, 8))
      return againstNull(gramOf(rows), few, dealing([few], { seed }), 100).below
    })
    expect(Math.max(...below)).toBeLessThan(5)
  })
})
