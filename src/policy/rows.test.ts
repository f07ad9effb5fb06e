import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UserError } from '../graph/errors.ts'
import type { Tensor } from '../graph/tensor.ts'
import { type Batch, type Packing, packTrees, rowShapes, type Tree, textTree, treeLength } from './rows.ts'

const token = fc.integer({ min: 0, max: 9 })
const tree: fc.Arbitrary<Tree> = fc.record({
  prompt: fc.array(token, { minLength: 1, maxLength: 12 }),
  completions: fc.array(fc.array(token, { maxLength: 8 }), { maxLength: 4 }),
})
const trees = fc.array(tree, { minLength: 1, maxLength: 9 })
const packing: fc.Arbitrary<Packing> = fc.record({
  tokenBudget: fc.integer({ min: 48, max: 200 }),
  lengths: fc.constantFrom<number | number[]>(1, 8, 16, [48, 64]),
  wantedMultiple: fc.constantFrom(1, 8, 32),
  segmentMultiple: fc.constantFrom(1, 16),
  tight: fc.boolean(),
})

describe('packTrees', () => {
  it('asks for every token of every completion once, in its own context', () => {
    fc.assert(
      fc.property(trees, packing, (given, options) => {
        expect(packTrees(given, options).flatMap(unpack).sort()).toEqual(given.flatMap(asked(given)).sort())
      }),
    )
  })

  it('packs one pair as drawn by hand', () => {
    const [batch, ...others] = packTrees(
      [
        {
          prompt: [1, 2],
          completions: [
            [3, 4, 5],
            [6, 7],
          ],
        },
      ],
      { lengths: [6], wantedMultiple: 6 },
    )
    expect(others).toEqual([])
    const { rows } = batch!
    expect([...rows.tokens.data]).toEqual([1, 2, 3, 4, 6, 0])
    expect([...rows.positions.data]).toEqual([0, 1, 2, 3, 2, 0])
    expect(visible(batch!)).toEqual(['1.....', '11....', '111...', '1111..', '11..1.', '.....1'])
    expect([...rows.wanted.data]).toEqual([1, 2, 3, 1, 4, 0])
    expect([...rows.targets.data]).toEqual([3, 4, 5, 6, 7, 0])
    expect([...rows.completion.data]).toEqual([0, 0, 0, 1, 1, 0])
    expect([...rows.weights.data]).toEqual([1, 1, 1, 1, 1, 0])
  })

  it('takes prompts and branches apart where rows are much wider than what a token sees, as drawn by hand', () => {
    const completions = [
      [3, 4, 5],
      [6, 7],
      [8, 9],
    ]
    const [batch] = packTrees(
      [
        { prompt: [1, 2], completions },
        { prompt: [1], completions: [] },
      ],
      { lengths: [11], segmentMultiple: 1 },
    )
    const { segments, mask, tokens } = batch!.rows
    expect([...tokens.data]).toEqual([1, 2, 3, 4, 6, 8, 1, 0, 0, 0, 0])
    const rowsOf = ({ data, shape }: Tensor) =>
      Array.from({ length: shape[0]! }, (_, p) => [...data.slice(p * shape[1]!, (p + 1) * shape[1]!)])
    expect(rowsOf(segments!.queries)).toEqual([
      [2, 3, 7],
      [4, 0, 0],
      [5, 0, 0],
      [0, 1, 0],
      [6, 0, 0],
    ])
    expect(rowsOf(segments!.keys)).toEqual([
      [0, 1, 2, 3, 7],
      [0, 1, 4, 0, 0],
      [0, 1, 5, 0, 0],
      [0, 1, 0, 0, 0],
      [6, 0, 0, 0, 0],
    ])
    expect([...segments!.queryOf.data]).toEqual([9, 10, 0, 1, 3, 6, 12, 2, 2, 2, 2])
    expect([...segments!.positionOf.data]).toEqual([2, 3, 11, 4, 11, 11, 5, 11, 11, 0, 1, 11, 6, 11, 11])
    expect(rowsOf(segments!.keysOf)).toEqual([
      [0, 1, 2, 3, 7, 12, 20, 25, 25, 25, 25],
      [5, 6, 25, 25, 25, 25, 25, 25, 25, 25, 25],
      [10, 11, 25, 25, 25, 25, 25, 25, 25, 25, 25],
      [15, 16, 25, 25, 25, 25, 25, 25, 25, 25, 25],
    ])
    const seen = [...mask.data].map((m) => (m === 0 ? '1' : '.')).join('')
    expect(seen.match(/.{15}/g)).toEqual([
      '111..' + '1111.' + '....1',
      '111..' + '.....' + '.....',
      '111..' + '.....' + '.....',
      '1....' + '11...' + '.....',
      '1....' + '.....' + '.....',
    ])
  })

  it('knows of every query and key whose it is, and of every position who reads it', () => {
    fc.assert(
      fc.property(trees, packing, (given, options) => {
        for (const { rows } of packTrees(given, options)) {
          if (!rows.segments) continue
          const { queries, keys, queryOf, positionOf, keysOf } = rows.segments
          const [[P, Q], L, positions] = [queries.shape as [number, number], keys.shape[1]!, rows.rows * rows.length]
          const places = Array.from({ length: P * L }, (_, place) => place)
          // The last place of the first segment is the padding's.
          const open = (place: number) =>
            place !== L - 1 &&
            Array.from({ length: Q }, (_, q) => rows.mask.data[(Math.floor(place / L) * Q + q) * L + (place % L)]).includes(0)
          for (let at = 0; at < positions; at++) {
            const listed = Array.from({ length: keysOf.shape[0]! }, (_, m) => keysOf.data[m * positions + at]!)
            expect(listed.filter((place) => place !== P * L)).toEqual(places.filter((place) => keys.data[place] === at && open(place)))
          }
          const homed = new Map(Array.from({ length: positions }, (_, at) => [queryOf.data[at], at]))
          homed.delete(Q - 1)
          expect([...positionOf.data]).toEqual(Array.from({ length: P * Q }, (_, place) => homed.get(place) ?? positions))
        }
      }),
    )
  })

  it('lets padding see itself only, and nobody see padding', () => {
    fc.assert(
      fc.property(trees, packing, (any, options) => {
        const given = any.map(({ prompt, completions }) => ({ prompt: [...prompt, 1], completions }))
        for (const batch of packTrees(given, options)) {
          const { rows, used } = batch
          const real = realPositions(batch)
          expect(real.size).toBe(used)
          for (let q = 0; q < rows.rows * rows.length; q++) {
            const seen = keys(batch, q)
            if (real.has(q)) expect(seen.every((k) => real.has(k))).toBe(true)
            else expect([seen, rows.tokens.data[q], rows.positions.data[q]]).toEqual([[q], 0, 0])
          }
          rows.weights.data.forEach((weight, n) => {
            if (weight === 0) expect([rows.wanted.data[n], rows.targets.data[n], rows.completion.data[n]]).toEqual([0, 0, 0])
          })
        }
      }),
    )
  })

  it('asks for the same whatever the order of the trees', () => {
    fc.assert(
      fc.property(trees, fc.infiniteStream(fc.nat()), packing, (given, keysOf, options) => {
        const shuffled = given
          .map((t) => ({ t, key: keysOf.next().value as number }))
          .sort((a, b) => a.key - b.key)
          .map(({ t }) => t)
        const plain = (ts: Tree[]) => packTrees(ts, options).flatMap(unpack).map(withoutSlot).sort()
        expect(plain(shuffled)).toEqual(plain(given))
      }),
    )
  })

  it('keeps trees whole, slots in order, and one shape within the budget', () => {
    fc.assert(
      fc.property(trees, packing, (given, options) => {
        const batches = packTrees(given, options)
        expect(batches.flatMap((b) => b.trees).sort((a, b) => a - b)).toEqual(given.map((_, i) => i))
        const first = given.map((_, i) => given.slice(0, i).reduce((n, t) => n + t.completions.length, 0))
        for (const { trees: inBatch, slots, rows, used } of batches) {
          expect(slots).toEqual(inBatch.flatMap((t) => given[t]!.completions.map((_, c) => first[t]! + c)))
          expect(rows.completions).toBeGreaterThanOrEqual(slots.length)
          expect(rows.rows * rows.length).toBeLessThanOrEqual(options.tokenBudget!)
          expect(used).toBe(inBatch.reduce((sum, t) => sum + treeLength(given[t]!), 0))
          if (typeof options.lengths === 'number') expect(rows.length % options.lengths).toBe(0)
          else expect(options.lengths).toContain(rows.length)
          expect(rows.wanted.shape[0]! % options.wantedMultiple!).toBe(0)
        }
        if (!options.tight) expect(new Set(batches.map(shapeOf)).size).toBe(1)
      }),
    )
  })

  it('makes tight batches as long as their fullest row, so that ten single trees are not padded to the longest', () => {
    const given = Array.from({ length: 10 }, (_, i): Tree => ({ prompt: Array<number>(51 + 5 * i).fill(1), completions: [[1, 2]] }))
    const options = { tokenBudget: 104, lengths: 8, wantedMultiple: 1, cost: { wanted: 1, run: 0 } }
    const positions = (batches: readonly Batch[]) => batches.reduce((sum, { rows }) => sum + rows.rows * rows.length, 0)
    const [tight, alike] = [packTrees(given, { ...options, tight: true }), packTrees(given, options)]
    for (const { rows, used } of tight.filter(({ rows }) => rows.rows === 1)) expect(rows.length).toBe(8 * Math.ceil(used / 8))
    const used = tight.reduce((sum, batch) => sum + batch.used, 0)
    expect(positions(tight) - used).toBeLessThan(8 * tight.length)
    expect(positions(alike)).toBeGreaterThan(1.2 * positions(tight))
  })

  it('gives the same batches for the same trees', () => {
    fc.assert(
      fc.property(trees, packing, (given, options) => {
        expect(packTrees(given, options)).toEqual(packTrees(given, options))
      }),
    )
  })

  it('fills a row to its last position', () => {
    const half = { prompt: Array<number>(32).fill(1), completions: [] }
    const [batch, ...others] = packTrees([half, half, half, half], { lengths: [64] })
    expect([others.length, batch!.rows.rows, batch!.used]).toEqual([0, 2, 128])
  })

  it('has nothing to pack when there are no trees', () => {
    expect(packTrees([])).toEqual([])
    expect(rowShapes([[], []])).toEqual([])
  })

  it.each<[string, Tree, Packing, string]>([
    ['longer than the context', { prompt: [1, 2, 3], completions: [[4], [5, 6, 7]] }, { contextLength: 4 }, 'fit the context of 4'],
    ['longer than every length', { prompt: Array(70).fill(1), completions: [] }, { lengths: [32, 64] }, 'at most 64 positions'],
    ['without a prompt', { prompt: [], completions: [[1]] }, {}, 'at least one token'],
    [
      'larger than the shapes planned',
      { prompt: [1], completions: [[1, 2, 3]] },
      { shapes: [{ rows: 1, length: 64, wanted: 2, completions: 1 }] },
      'rowShapes',
    ],
    [
      'longer than the shapes planned',
      { prompt: [1], completions: [[1, 2, 3]] },
      { shapes: [{ rows: 1, length: 2, wanted: 9, completions: 1 }] },
      'rowShapes',
    ],
  ])('refuses a tree %s', (_, given, options, says) => {
    expect(() => packTrees([given], options)).toThrow(UserError)
    expect(() => packTrees([given], options)).toThrow(says)
  })

  it('a tree that is longer than the budget is a batch by itself, and the others are packed as before', () => {
    const short = { prompt: [1, 2], completions: [[3, 4], [5]] }
    const long = { prompt: Array<number>(70).fill(1), completions: [[2]] }
    for (const tight of [false, true]) {
      const packing = { tokenBudget: 64, lengths: 32, tight }
      const [first, ...others] = packTrees([short, long, short, long], packing)
      expect(first).toEqual({ ...packTrees([short, short], packing)[0], trees: [0, 2], slots: [0, 1, 3, 4] })
      expect(others.map(({ trees, slots, rows }) => [trees, slots, rows.rows, rows.length])).toEqual([
        [[1], [2], 1, 96],
        [[3], [5], 1, 96],
      ])
    }
  })

  it('takes a branch that reads exactly the context: the last token is only a target', () => {
    expect(packTrees([{ prompt: [1, 2, 3], completions: [[5, 6]] }], { contextLength: 4 })).toHaveLength(1)
  })
})

describe('rowShapes', () => {
  it('plans few shapes that every step of an epoch fits', () => {
    fc.assert(
      fc.property(fc.array(trees, { minLength: 1, maxLength: 8 }), packing, fc.integer({ min: 1, max: 3 }), (steps, options, limit) => {
        const shapes = rowShapes(steps, options, limit)
        expect(shapes.length).toBeLessThanOrEqual(limit)
        const batches = steps.map((step) => packTrees(step, { ...options, shapes }))
        expect(new Set(batches.flat().map(shapeOf)).size).toBeLessThanOrEqual(limit)
        steps.forEach((step, i) => {
          expect(batches[i]!.flatMap(unpack).sort()).toEqual(step.flatMap(asked(step)).sort())
        })
      }),
    )
  })

  it('pads a typical epoch of pairs by less than a third', () => {
    // Lengths like those of dialogue pairs: prompts of about 85 tokens, completions of about 34.
    let state = 1
    const random = () => (state = (state * 48271) % 2147483647) / 2147483647
    const some = (mean: number) => Array<number>(1 + (Math.floor(-Math.log(1 - random()) * mean) % (4 * mean))).fill(1)
    const steps = Array.from({ length: 16 }, () =>
      Array.from({ length: 8 }, () => ({ prompt: some(85), completions: [some(34), some(34)] })),
    )
    const batches = steps.flatMap((step) => packTrees(step, { shapes: rowShapes(steps) }))
    const used = batches.reduce((sum, b) => sum + b.used, 0)
    const paid = batches.reduce((sum, b) => sum + b.rows.rows * b.rows.length, 0)
    expect(1 - used / paid).toBeLessThan(1 / 3)
  })
})

describe('textTree', () => {
  it('reads a text as a prompt of one token and the rest', () => {
    expect(textTree([7, 8, 9])).toEqual({ prompt: [7], completions: [[8, 9]] })
    expect(() => textTree([])).toThrow(UserError)
  })
})

/** What a batch asks for, as `slot: context → target`, read from nothing but what the model sees. */
function unpack(batch: Batch): string[] {
  const { tokens, positions, wanted, targets, completion, weights } = batch.rows
  return [...wanted.data].flatMap((q, n) => {
    if (weights.data[n] === 0) return []
    const seen = keys(batch, q).sort((a, b) => positions.data[a]! - positions.data[b]!)
    expect(seen.map((k) => positions.data[k])).toEqual(seen.map((_, i) => i))
    const slot = batch.slots[completion.data[n]!]!
    return [`${slot}: ${seen.map((k) => tokens.data[k]).join(' ')} → ${targets.data[n]}`]
  })
}

/** What should be asked for, written down from the trees alone. */
function asked(given: readonly Tree[]) {
  return ({ prompt, completions }: Tree, i: number) => {
    const before = given.slice(0, i).reduce((n, t) => n + t.completions.length, 0)
    return completions.flatMap((ids, c) => ids.map((id, k) => `${before + c}: ${[...prompt, ...ids.slice(0, k)].join(' ')} → ${id}`))
  }
}

function withoutSlot(line: string): string {
  return line.slice(line.indexOf(':'))
}

/** Flat positions that the query may see; all are in its row by the mask's shape, or among the keys of its segment. */
function keys({ rows: { length, mask, segments } }: Batch, query: number): number[] {
  if (segments) {
    const home = segments.queryOf.data[query]!
    const [Q, L] = [segments.queries.shape[1]!, segments.keys.shape[1]!]
    const segment = Math.floor(home / Q)
    const seen = [...segments.keys.data.slice(segment * L, (segment + 1) * L)].filter((_, k) => mask.data[home * L + k] === 0)
    const of = segments.queries.data[home]!
    // All padding is read in one place, as the first of it.
    return seen.map((key) => (key === of ? query : key))
  }
  const begin = query - (query % length)
  return Array.from({ length }, (_, j) => j)
    .filter((j) => mask.data[query * length + j] === 0)
    .map((j) => begin + j)
}

function visible(batch: Batch): string[] {
  const { rows, length, mask } = batch.rows
  return Array.from({ length: rows * length }, (_, q) =>
    [...mask.data.slice(q * length, (q + 1) * length)].map((m) => (m === 0 ? '1' : '.')).join(''),
  )
}

/** Positions before the tail of each row that sees itself only at position 0: with prompts of two tokens or more, that is the padding. */
function realPositions(batch: Batch): Set<number> {
  const { rows, length, positions } = batch.rows
  const real = new Set<number>()
  for (let r = 0; r < rows; r++) {
    let end = (r + 1) * length
    while (end > r * length && positions.data[end - 1] === 0 && keys(batch, end - 1).length === 1) end--
    for (let t = r * length; t < end; t++) real.add(t)
  }
  return real
}

function shapeOf({ rows: { tokens, wanted, completions } }: Batch): string {
  return `${tokens.shape.join('×')}/${wanted.shape[0]}/${completions}`
}
