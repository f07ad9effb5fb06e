import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { readSafetensors } from '../checkpoints/index.ts'
import { openModel } from '../policy/index.ts'
import { random } from '../random/index.ts'
import { type InterchangeRow, openInterchange } from './interchange.ts'
import { dot, orthonormal, projected, randomBasis, turning } from './subspace.ts'

describe('interchanges are what hooks of torch do', async () => {
  const golden = JSON.parse(await readFile('fixtures/interchange/golden.json', 'utf8')) as {
    rows: InterchangeRow[]
    families: Record<string, Record<string, { difference: number[]; logp: number[] }>>
  }
  const tensors = await readSafetensors('fixtures/interchange/golden.safetensors')

  it.each(Object.keys(golden.families))('%s: what is said, and the gradient of the loss', async (family) => {
    const model = await openModel(`fixtures/family-${family}`)
    try {
      const { data, shape } = tensors.get(`${family}.basis`)!
      const [k, d] = shape as [number, number]
      const basis = Array.from({ length: k }, (_, j) => Float64Array.from(data.slice(j * d, (j + 1) * d)))
      for (const [tap, wanted] of Object.entries(golden.families[family]!)) {
        const of = await openInterchange(model, golden.rows, tap)
        const outcomes = await of.run((i) => projected(basis, of.differences[i]!))
        expectClose(outcomes.map(({ difference }) => difference), wanted.difference, tolerances.families) // biome-ignore format: one line
        expectClose(outcomes.map(({ logp }) => logp), wanted.logp, tolerances.families) // biome-ignore format: one line
        expect(of.batches).toBe(1)
        const { loss, gradient } = await of.slope(basis, 0)
        expectClose(gradient.flatMap((row) => [...row]), tensors.get(`${family}.${tap}.gradient`)!.data, tolerances.families) // biome-ignore format: one line
        expect(loss).toBeCloseTo(-wanted.logp.reduce((a, b) => a + b, 0) / 4, 4)
      }
    } finally {
      await model.close()
    }
  })

  it('the gradient is that of the loss, by a central difference along a random turn', async () => {
    const model = await openModel('fixtures/llama-tiny')
    try {
      const ids = model.ids('Once upon a time')
      const rows = [{ base: ids, source: [...ids].reverse(), basePosition: 2, sourcePosition: 1, answer: 7, wrong: 9 }]
      const of = await openInterchange(model, rows, 'blocks.0.out')
      const basis = randomBasis(2, of.width, 1)
      const along = [0, 1].map((j) => Float64Array.from(random(j, 'along').normals(of.width)))
      const { gradient } = await of.slope(basis, 0)
      const at = async (step: number) => (await of.slope(basis.map((r, j) => r.map((x, i) => x + step * along[j]![i]!)), 0)).loss // biome-ignore format: one line
      const step = 1e-2
      const wanted = ((await at(step)) - (await at(-step))) / (2 * step)
      const got = gradient.reduce((sum, g, j) => sum + dot(g, along[j]!), 0)
      expect(Math.abs(wanted)).toBeGreaterThan(1e-3)
      expect(Math.abs(got - wanted)).toBeLessThan(0.02 * Math.abs(wanted))
    } finally {
      await model.close()
    }
  })
})

describe('subspaces', () => {
  it('keep what lies in them and nothing else, and a turn leaves them', () => {
    const basis = randomBasis(3, 10, 5)
    for (const [i, a] of basis.entries()) for (const [j, b] of basis.entries()) expect(dot(a, b)).toBeCloseTo(Number(i === j), 12)
    const x = Float64Array.from(random(1, 'x').normals(10))
    const inside = projected(basis, x)
    expectClose(projected(basis, inside), inside, tolerances.update)
    for (const r of basis) expect(dot(r, x) - dot(r, inside)).toBeCloseTo(0, 12)
    const [turn] = turning(basis, [x])
    for (const r of basis) expect(dot(r, turn!)).toBeCloseTo(0, 12)
    expect(() => orthonormal([x, x.map((y) => 2 * y)])).toThrow('subspace: its vectors must be independent, got one of 2 that the others span; give others') // biome-ignore format: one line
  })
})

describe('an interchange is refused', () => {
  it('at what holds no vector of each token, and outside of a text', async () => {
    const model = await openModel('fixtures/llama-tiny')
    try {
      const row = { base: [1, 2], source: [1, 2, 3], basePosition: 1, sourcePosition: 2, answer: 4, wrong: 5 }
      await expect(openInterchange(model, [row], 'blocks.0.attn.z')).rejects.toThrow(/interchange: a tap must hold one vector of each token, got blocks\.0\.attn\.z/) // biome-ignore format: one line
      await expect(openInterchange(model, [{ ...row, sourcePosition: 3 }], 'blocks.0.out')).rejects.toThrow(/row 0: a position of source must be from 0 to 2, got 3/) // biome-ignore format: one line
    } finally {
      await model.close()
    }
  })
})
