import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UserError } from '../graph/errors.ts'
import { batches } from './batches.ts'
import { splitByPrompt } from './split.ts'

const shares = { train: 0.8, dev: 0.1, sealed: 0.1 }
const prompts = (n: number) => Array.from({ length: n }, (_, i) => ({ prompt: `${i}`, n: i }))

const promptOf = ({ prompt }: { readonly prompt: string }) => prompt

describe('splitByPrompt', () => {
  it('puts every example into one part, in order, and all of a prompt into the same part', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 60 }), fc.integer(), (given, seed) => {
        const examples = given.map((p, n) => ({ prompt: `${p}`, n }))
        const parts = Object.values(splitByPrompt(examples, promptOf, { a: 0.5, b: 0.3, c: 0.2 }, seed))
        expect(parts.flat().sort((x, y) => x.n - y.n)).toEqual(examples)
        for (const part of parts) expect(part).toEqual([...part].sort((x, y) => x.n - y.n))
        const found = given.map(
          (p) => new Set(parts.flatMap((part, i) => part.filter(({ prompt }) => prompt === `${p}`).map(() => i))).size,
        )
        expect(found.every((n) => n === 1)).toBe(true)
      }),
    )
  })

  it('gives each part about its share, other prompts under another seed', () => {
    const parts = splitByPrompt(prompts(10_000), promptOf, shares, 0)
    // Five standard deviations of a binomial count with n = 10,000 and p = 0.1 are 150.
    expect(Math.abs(parts.dev.length - 1000)).toBeLessThan(150)
    expect(Math.abs(parts.sealed.length - 1000)).toBeLessThan(150)
    const other = new Set(splitByPrompt(prompts(10_000), promptOf, shares, 1).dev.map(({ n }) => n))
    expect(Math.abs(parts.dev.filter(({ n }) => other.has(n)).length - 100)).toBeLessThan(50)
  })

  it('keeps prompts together that differ in case, spaces and marks alone', () => {
    const same = Array.from({ length: 200 }, (_, i) => [`Is ${i} even?`, `is ${i}  EVEN`, `Is ${i} even!`]).flat()
    const [a, b] = Object.values(splitByPrompt(same, (prompt) => prompt, { a: 0.5, b: 0.5 }, 0))
    const numbers = (part: readonly string[]) => new Set(part.map((text) => text.match(/\d+/)![0]))
    expect([...numbers(a!)].filter((n) => numbers(b!).has(n))).toEqual([])
    expect(Math.min(a!.length, b!.length)).toBeGreaterThan(0)
  })

  it('leaves prompts where they were when the file grows', () => {
    const small = splitByPrompt(prompts(50), promptOf, shares, 3)
    const large = splitByPrompt(prompts(500), promptOf, shares, 3)
    for (const name of ['train', 'dev', 'sealed'] as const) expect(large[name].filter(({ n }) => n < 50)).toEqual(small[name])
  })

  it('splits prompts that are text, and is the same on every machine', () => {
    const words = [...'abcdefghijklmnopqrst'].map((prompt) => ({ prompt }))
    expect(
      splitByPrompt(words, promptOf, { a: 0.5, b: 0.5 }, 0)
        .a.map(({ prompt }) => prompt)
        .join(''),
    ).toMatchInlineSnapshot(`"abcdikmst"`)
  })

  it('refuses shares that do not sum to 1', () => {
    expect(() => splitByPrompt(prompts(1), promptOf, { train: 0.8, dev: 0.1 }, 0)).toThrow(UserError)
    expect(() => splitByPrompt(prompts(1), promptOf, { train: 1.5, dev: -0.5 }, 0)).toThrow(UserError)
  })
})

describe('batches', () => {
  it('sees every example once an epoch, in batches of the size asked for but the last', () => {
    fc.assert(
      fc.property(fc.nat(50), fc.integer({ min: 1, max: 9 }), fc.integer(), fc.nat(5), fc.boolean(), (n, size, seed, epoch, shuffle) => {
        const items = prompts(n)
        const cut = batches(items, size, { seed, epoch, shuffle })
        expect(cut.flat().sort((a, b) => a.n - b.n)).toEqual(items)
        expect(cut.slice(0, -1).every((batch) => batch.length === size)).toBe(true)
        expect(batches(items, size, { seed, epoch, shuffle })).toEqual(cut)
        if (!shuffle) expect(cut.flat()).toEqual(items)
      }),
    )
  })

  it('orders epochs and seeds differently', () => {
    const order = (seed: number, epoch: number) => batches(prompts(30), 30, { seed, epoch })[0]!.map(({ n }) => n)
    expect(order(0, 0)).not.toEqual(order(0, 1))
    expect(order(0, 0)).not.toEqual(order(1, 0))
    expect(order(0, 1)).not.toEqual(order(1, 0))
  })

  it('refuses a size that is no whole number above 0', () => {
    for (const size of [0, -1, 1.5, Number.NaN]) expect(() => batches(prompts(3), size, { seed: 0, epoch: 0 })).toThrow(UserError)
  })
})
