import { mkdtemp, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { loadCheckpoint } from '../checkpoints/index.ts'
import { readSafetensors } from '../checkpoints/safetensors.ts'
import { openEngine } from '../engine/index.ts'
import {
  evaluate,
  graph,
  input,
  isTensor,
  leaves,
  matmul,
  mean,
  reshape,
  ShapeError,
  sum,
  tensor,
  transpose,
  UserError,
  type Value,
} from '../graph/index.ts'
import { edited } from './edit.ts'
import { forward } from './forward.ts'
import { over, type See } from './over.ts'
import { openPolicy } from './policy.ts'
import type { Tree } from './rows.ts'
import { treeLength } from './tree.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())
const checkpoint = await loadCheckpoint('fixtures/llama-tiny')
const { config, params } = checkpoint
const policy = await openPolicy(engine, checkpoint)
const d = config.hiddenSize

const ids = (least: number) => fc.array(fc.nat(config.vocabSize - 1), { minLength: least, maxLength: 9 })
const someTrees = fc.array(fc.record({ prompt: ids(1), completions: fc.array(ids(0), { maxLength: 3 }) }), { minLength: 1, maxLength: 12 })

/** The residual stream after block 1 at every position of a tree, in f64 by the evaluator, one text of prompt and branch after the other. */
function residuals({ prompt, completions }: Tree): number[][] {
  const texts = [prompt, ...completions.filter(({ length }) => length > 1).map((ids) => [...prompt, ...ids.slice(0, -1)])]
  return texts.flatMap((text, i) => alone(text).slice(i === 0 ? 0 : prompt.length))
}

const known = new Map<string, number[][]>()
function alone(text: readonly number[]): number[][] {
  const before = known.get(text.join())
  if (before) return before
  const T = text.length
  const given = {
    tokens: tensor(Int32Array.from(text), [1, T]),
    positions: tensor(Int32Array.from({ length: T }, (_, t) => t), [1, T]), // biome-ignore format: one line
    mask: tensor(Float32Array.from({ length: T * T }, (_, i) => (i % T <= Math.floor(i / T) ? 0 : -1e9)), [1, 1, T, T]), // biome-ignore format: one line
  }
  const found: Record<string, Value> = {}
  const at = (name: keyof typeof given) => input(name, given[name].shape, given[name].dtype)
  const inputs = { tokens: at('tokens'), positions: at('positions'), mask: at('mask') }
  const traced = forward({ config, params }, inputs, {
    path: 'rows',
    look(name, x) {
      if (name === 'blocks.1.out') found[name] = x
    },
  })
  const weights = Object.fromEntries(leaves(params, isTensor).map(([path, x]) => [`params.${path}`, x]))
  const { data } = evaluate(graph({ ...traced.inputs, ...inputs }, found), { ...weights, ...given })['blocks.1.out']!
  const rows = text.map((_, t) => [...data.slice(t * d, (t + 1) * d)])
  known.set(text.join(), rows)
  return rows
}

describe('over many texts equals a loop in plain TypeScript', () => {
  const packings = fc.constantFrom({}, { tokenBudget: 64, lengths: 16 }, { lengths: [48], tokenBudget: 96 })

  it('sums, values of trees and values of tokens, of trees in any order and however they are packed', async () => {
    const sums: See = ({ tap, real }) => {
      const x = tap('blocks.1.out')
      const [R, T] = real.shape as [number, number]
      const flat = reshape(x, [R * T, d]).mul(reshape(real, [R * T, 1]))
      return { sum: sum(flat, [0]), gram: matmul(transpose(flat), flat), tokens: sum(real) }
    }
    const means: See = ({ tap, real, perTree }) => ({ sum: perTree(tap('blocks.1.out')), count: perTree(real) })
    const tokens: See = ({ tap, tokens, positions, text }) => ({ x: tap('blocks.1.out'), tokens, positions, text })
    await fc.assert(
      fc.asyncProperty(someTrees, packings, async (trees, packing) => {
        const rows = trees.map(residuals)
        const flat = rows.flat()
        const total = await over(policy, trees, sums, { packing })
        expectClose(total.sum!.data, columns(flat), tolerances.summed, 'sum')
        const gram = Array.from({ length: d * d }, (_, i) => flat.reduce((s, x) => s + x[Math.floor(i / d)]! * x[i % d]!, 0))
        expectClose(total.gram!.data, gram, tolerances.summed, 'gram')
        expect(total.tokens!.data[0]).toBe(flat.length)

        const each = await over(policy, trees, means, { per: 'tree', packing })
        expect(each.sum!.shape).toEqual([trees.length, d])
        expectClose(each.sum!.data, rows.flatMap(columns), tolerances.summed, 'sum of a tree')
        expect([...each.count!.data]).toEqual(trees.map(treeLength))

        const all = await over(policy, trees, tokens, { per: 'token', packing })
        expect(all.x!.shape).toEqual([flat.length, d])
        expectClose(all.x!.data, flat.flat(), tolerances.golden, 'tokens')
        expect([...all.text!.data]).toEqual(trees.flatMap((tree, i) => new Array(treeLength(tree)).fill(i)))
        expect([...all.tokens!.data]).toEqual(trees.flatMap(({ prompt, completions }) => [...prompt, ...completions.flatMap((c) => c.slice(0, -1))])) // biome-ignore format: one line
        expect([...all.positions!.data]).toEqual(trees.flatMap(({ prompt, completions }) => [prompt.keys(), ...completions.map((c) => c.slice(0, -1).map((_, k) => prompt.length + k))].flatMap((p) => [...p]))) // biome-ignore format: one line
      }),
      { numRuns: 12, seed: 5 },
    )
  })

  it('in a file as in memory, and no file where it fails', async () => {
    const trees = Array.from({ length: 40 }, (_, i) => ({
      prompt: [1, 2 + i],
      completions: [Array.from({ length: i % 7 }, (_, k) => 3 + k)],
    }))
    const folder = await mkdtemp(join(tmpdir(), 'innate-over-'))
    const to = join(folder, 'taps.safetensors')
    const tokens: See = ({ tap, positions }) => ({ out: tap('blocks.0.out'), q: transposed(tap('blocks.0.attn.q')), positions })
    const how = { per: 'token', packing: { tokenBudget: 128, lengths: 16 } } as const
    const memory = await over(policy, trees, tokens, how)
    const shapes = await over(policy, trees, tokens, { ...how, to })
    const file = await readSafetensors(to)
    for (const [name, { dtype, shape, data }] of Object.entries(memory)) {
      expect([name, shapes[name]!.shape, shapes[name]!.dtype]).toEqual([name, shape, dtype])
      expect([name, file.get(name)]).toEqual([name, { dtype, shape, data }])
    }
    const stop = new AbortController()
    const other = join(folder, 'other.safetensors')
    await expect(over(policy, trees, tokens, { ...how, to: other, signal: stop.signal, onBatch: () => stop.abort() })).rejects.toThrow()
    expect(await readdir(folder)).toEqual(['taps.safetensors'])
  })
})

it('taps inside of kernels are there where they are asked for: each row of a pattern sums to 1', async () => {
  const pattern: See = ({ tap, real }) => ({ whole: transposed(sum(tap('blocks.1.attn.pattern'), [-1])), real })
  const trees = [{ prompt: [1, 2, 3], completions: [[4, 5, 6], [7, 8]] }, { prompt: [9], completions: [] }] // biome-ignore format: one line
  const { whole } = await over(policy, trees, pattern, { per: 'token', packing: { lengths: [128] } })
  expect(whole!.shape).toEqual([7, config.heads, 1])
  expectClose(whole!.data, new Float32Array(whole!.data.length).fill(1), tolerances.plainly)
})

it('sees what edits make, and reads what it is fed', async () => {
  const trees = [{ prompt: [1, 2, 3], completions: [] }]
  let factor = 3
  const scaled: See = ({ tap, input }) => ({ x: tap('blocks.0.mid').mul(input('factor', [])) })
  const feeds = () => ({ factor: tensor([factor], []) })
  const at = (of: typeof policy) => over(of, trees, scaled, { per: 'token', feeds })
  const plain = (await at(policy)).x!.data
  factor = 6
  const edit = edited(policy, (_, x) => x.mul(0.5), { at: 'blocks.0.mid' })
  expectClose((await at(edit)).x!.data, plain, tolerances.plainly)
})

describe('what is wrong is said', () => {
  const trees = [{ prompt: [1, 2], completions: [[3]] }]

  it.each<[string, See, RegExp]>([
    ['a tap that is none', function mine({ tap }) { return { x: tap('blocks.0.otu') } }, /^mine: must name taps of the model, got "blocks.0.otu"; did you mean blocks.0.out\?$/], // biome-ignore format: one line
    ['a value per tree of another shape', function mine({ tap }) { return { x: mean(tap('final')) } }, /^mine: x must be f32\[8, …\] to be a value per tree, got f32\[\]$/], // biome-ignore format: one line
  ])('%s', async (_, see, message) => {
    const failed = over(policy, trees, see, { per: 'tree' })
    await expect(failed).rejects.toThrow(message)
    await failed.catch((error) => expect([UserError, ShapeError]).toContain(error.constructor))
  })

  it('an id that the model does not have, and a file for sums', async () => {
    const count: See = ({ real }) => ({ tokens: sum(real) })
    await expect(over(policy, [{ prompt: [-1], completions: [] }], count)).rejects.toThrow(/^count: ids of tree 0 must be 0 to /)
    await expect(over(policy, trees, count, { to: 'x' })).rejects.toThrow(/^count: sums are returned, got the file x/)
  })
})

function columns(rows: readonly (readonly number[])[]): number[] {
  return Array.from({ length: d }, (_, i) => rows.reduce((total, row) => total + row[i]!, 0))
}

/** [R, heads, T, …] → [R, T, heads, …] */
function transposed(x: Value): Value {
  return transpose(x, [0, 2, 1, 3])
}
