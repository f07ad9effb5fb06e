import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { array, assert, boolean, constantFrom, double, integer, property, subarray } from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { loadCheckpoint } from '../checkpoints/checkpoint.ts'
import { loadAdapters } from '../checkpoints/load-peft.ts'
import { saveAdapters } from '../checkpoints/peft.ts'
import { readSafetensors } from '../checkpoints/safetensors.ts'
import { openEngine } from '../engine/index.ts'
import {
  ancestors,
  gradient,
  gradientMarks,
  graph,
  input,
  isTensor,
  isValue,
  leaves,
  madeByGradient,
  mean,
  type Tensor,
  tensor,
  type Value,
} from '../graph/index.ts'
import type { Adapters } from '../models/adapters.ts'
import { decoder } from '../models/decoder.ts'
import { logits, tokenLogps } from '../models/head.ts'
import { adaptedNorms, freshAdapters, linearLayers, mergeAdapters, unmergeAdapters } from '../models/lora.ts'
import type { DecoderParams } from '../models/params.ts'
import { adapterLeaves, openPolicy, policyInputs } from './policy.ts'
import { rowInputs, rowTensors, shapeOf } from './row-inputs.ts'
import { packTrees, textTree } from './rows.ts'

const base = await loadCheckpoint('fixtures/llama-tiny')
const engine = openEngine({ threads: 1 })
const root = mkdtempSync(join(tmpdir(), 'innate-variants-'))
const jsonOf = (path: string) => JSON.parse(readFileSync(path, 'utf8'))
afterAll(async () => {
  rmSync(root, { recursive: true })
  await engine.close()
})

/** The graph of logits, loss and the adapters' gradients, and what it is given, for the golden file's tokens. */
async function traced(adapters: Adapters<Tensor>, tokens: readonly number[][], masks: Readonly<Record<string, Tensor>> = {}) {
  const T = tokens[0]!.length
  const policy = await openPolicy(engine, base, adapters)
  const trees = tokens.map((row) => textTree([...row, 0]))
  const [batch] = packTrees(trees, { lengths: [T], wantedMultiple: 1 })
  const rows = rowInputs(shapeOf(batch!.rows))
  const { params, adapters: given, inputs } = policyInputs(policy)
  const masked = Object.fromEntries(Object.entries(masks).map(([path, { shape }]) => [path, input(`mask.${path}`, shape)]))
  const hidden = decoder(params, rows, base.config, { adapters: { ...given!, masks: masked } })
  // The last position of each row has no next token in the golden file.
  const loss = mean(tokenLogps(params, hidden, rows.wanted, rows.targets, base.config).mul(rows.weights))
    .neg()
    .mul(T / (T - 1))
  const lora = Object.fromEntries(Object.entries(inputs).filter(([name]) => name.startsWith('lora.')))
  const grads = leaves<Value>(gradient(loss, lora), isValue).map(([name, g]) => [`grad.${name}`, g])
  const named = Object.fromEntries(Object.entries(masked).map(([path, mask]) => [`mask.${path}`, mask]))
  const weights = batch!.rows.weights.data.map((_, n) => (n % T === T - 1 ? 0 : 1)) as Float32Array
  return {
    graph: graph({ ...inputs, ...rows, ...named }, { logits: logits(params, hidden, base.config), loss, ...Object.fromEntries(grads) }),
    given: {
      ...policy.given,
      ...rowTensors(batch!.rows),
      weights: tensor(weights, [weights.length]),
      ...Object.fromEntries(Object.entries(masks).map(([path, mask]) => [`mask.${path}`, mask])),
    },
  }
}

async function run(...args: Parameters<typeof traced>) {
  const { graph: whole, given } = await traced(...args)
  const program = await engine.compile(whole)
  return program.run(given)
}

describe.each([
  ['rslora', { rslora: true, scale: 4 }],
  ['dora', { scale: 2 }],
  ['dropout', { scale: 2, dropout: 0.25 }],
] as const)('%s that PEFT made (fixtures/peft-…, by oracle/)', async (name, expected) => {
  const fixture = `fixtures/peft-${name}`
  const adapters = await loadAdapters(fixture, base.config)
  const golden = await readSafetensors(`${fixture}/golden.safetensors`)
  const { tokens, loss } = jsonOf(`${fixture}/golden.json`)
  const masks = Object.fromEntries([...golden].flatMap(([key, mask]) => (key.startsWith('mask.') ? [[key.slice(5), mask]] : [])))

  it('has the logits, loss and gradients that PEFT has', async () => {
    expect(adapters).toMatchObject(expected)
    expectClose((await run(adapters, tokens)).logits!, golden.get('tap.logits')!, tolerances.golden, 'logits')
    const got = await run(adapters, tokens, masks)
    expectClose(got.loss!.data, [loss], tolerances.golden, 'loss')
    if (golden.has('train.logits')) expectClose(got.logits!, golden.get('train.logits')!, tolerances.golden, 'logits in training')
    const parts = adapterLeaves(adapters)
    expect(parts.length).toBe({ rslora: 4, dora: 42, dropout: 6 }[name])
    for (const [part] of parts)
      expectClose(got[`grad.${part}`]!, golden.get(part.replace('lora.', 'grad.'))!, tolerances.golden, `grad.${part}`)
  })

  it('does the same merged, and unmerged is what it was', async () => {
    const params = mergeAdapters(base.params, adapters)
    const policy = await openPolicy(engine, { config: base.config, params })
    const fresh = freshAdapters(base.config, { rank: 1, alpha: 1, seed: 0 })
    expect(policy.adapters).toBeUndefined()
    const merged = await traced(fresh, tokens)
    const { logits: got } = await (await engine.compile(merged.graph)).run({ ...merged.given, ...policy.given })
    expectClose(got!, golden.get('tap.logits')!, tolerances.golden, 'logits')
    expect(apart(unmergeAdapters(params, adapters, adaptedNorms(base.params, adapters)), base.params)).toBeLessThan(1e-6)
  })

  it('is saved as PEFT saved it, tensor by tensor', async () => {
    const folder = join(root, name)
    await saveAdapters(folder, adapters, { name: 'llama-tiny', config: base.config })
    const read = (from: string) => readSafetensors(join(from, 'adapter_model.safetensors'))
    const [ours, theirs] = [await read(folder), await read(fixture)]
    expect([...ours.keys()].sort()).toEqual([...theirs.keys()].sort())
    for (const [key, want] of theirs) expectClose(ours.get(key)!, want, tolerances.exact, key)
    expect(jsonOf(`${fixture}/adapter_config.json`)).toMatchObject(jsonOf(join(folder, 'adapter_config.json')))
    expect(await loadAdapters(folder, base.config)).toEqual(adapters)
  })
})

/** The largest difference of two models, relative to the largest entry of the row it is in. */
function apart(a: DecoderParams<Tensor>, b: DecoderParams<Tensor>): number {
  const wanted = new Map(leaves(b, isTensor))
  return Math.max(
    ...leaves(a, isTensor).map(([path, got]) => {
      const want = wanted.get(path)!
      const width = want.shape.at(-1)!
      let worst = 0
      for (let from = 0; from < want.data.length; from += width) {
        const row = Array.from(want.data.subarray(from, from + width))
        const most = Math.max(...row.map(Math.abs))
        row.forEach((x, i) => {
          worst = Math.max(worst, Math.abs(got.data[from + i]! - x) / most)
        })
      }
      return worst
    }),
  )
}

it('merging and unmerging are inverse, whatever the adapter', () => {
  const options = {
    rank: integer({ min: 1, max: 5 }),
    alpha: double({ min: 0.5, max: 8, noNaN: true }),
    targets: subarray(Object.keys(linearLayers), { minLength: 1 }),
    layers: subarray([0, 1], { minLength: 1 }),
  }
  const drawn = [
    options.rank,
    options.alpha,
    options.targets,
    options.layers,
    boolean(),
    boolean(),
    array(constantFrom(-0.1, 0.05, 0.1), { minLength: 7, maxLength: 7 }),
  ] as const
  assert(
    property(...drawn, (rank, alpha, targets, layers, rslora, dora, values) => {
      const fresh = freshAdapters(base.config, { rank, alpha, targets, layers, rslora, dora, seed: 1 }, base.params)
      const moved = Object.entries(fresh.layers).map(([path, layer]) => {
        const b = layer.b.data.map((_, i) => values[i % 7]!) as Float32Array
        return [path, { ...layer, b: tensor(b, layer.b.shape) }]
      })
      const adapters = { ...fresh, layers: Object.fromEntries(moved) }
      const merged = mergeAdapters(base.params, adapters)
      expect(apart(merged, base.params)).toBeGreaterThan(1e-3)
      expect(apart(unmergeAdapters(merged, adapters, adaptedNorms(base.params, adapters)), base.params)).toBeLessThan(1e-6)
    }),
    { numRuns: 20 },
  )
})

describe('freshAdapters', () => {
  const { config, params } = base

  it('with dora changes nothing yet', () => {
    const fresh = freshAdapters(config, { rank: 2, alpha: 4, dora: true, seed: 0 }, params)
    expect(apart(mergeAdapters(params, fresh), params)).toBeLessThan(1e-6)
  })

  it('of some blocks are those of all blocks there, and what lies below costs no gradient', async () => {
    const all = freshAdapters(config, { rank: 2, alpha: 4, seed: 5 })
    const upper = freshAdapters(config, { rank: 2, alpha: 4, layers: [1], seed: 5 })
    expect(Object.keys(upper.layers)).toEqual(Object.keys(all.layers).slice(7))
    for (const [path, layer] of Object.entries(upper.layers)) expect(layer).toEqual(all.layers[path])

    const backwards = async (adapters: Adapters<Tensor>) => {
      const { graph: whole } = await traced(adapters, [[1, 5, 7, 9]])
      return ancestors(Object.values(whole.outputs)).filter(madeByGradient).length
    }
    const one = await backwards(upper)
    expect(await backwards(freshAdapters(config, { rank: 2, alpha: 4, layers: [0], seed: 5 }))).toBeGreaterThan(1.5 * one)
    // No product of the lower block turns round: every parameter of it is read forwards alone.
    const { graph: whole } = await traced(upper, [[1, 5, 7, 9]])
    const slopes = ancestors(Object.values(whole.outputs)).filter(madeByGradient)
    const read = new Set(slopes.flatMap(({ inputs }) => Object.values(inputs)).flatMap((value) => [value, ...Object.values(value.inputs)]))
    const frozen = Object.entries(whole.inputs).filter(([name, value]) => name.startsWith('params.blocks.0.') && read.has(value))
    expect(frozen).toEqual([])
    const touched = Object.entries(whole.inputs).filter(([name, value]) => name.startsWith('params.blocks.1.') && read.has(value))
    expect(touched.length).toBeGreaterThan(0)
  })

  it('DoRA’s norm is a declared constant, once for each layer', async () => {
    const { graph: whole } = await traced(freshAdapters(config, { rank: 2, alpha: 4, dora: true, seed: 0 }, params), [[1, 5, 7, 9]])
    expect(gradientMarks(whole).map(({ op, why }) => [op, why])).toEqual(
      Array.from({ length: 14 }, () => ['stopGradient', 'stop: the gradient is zero by declaration']),
    )
  })

  it.each([
    [{ layers: [2] }, 'lora.layers: must name blocks from 0 to 1, got 2; leave it out for all'],
    [{ layers: [] }, 'lora.layers: must name blocks from 0 to 1, got none; leave it out for all'],
    [{ dropout: 1 }, 'lora.dropout: must be from 0 to below 1, got 1; 0.05 is a common choice'],
  ])('refuses %j', (wrong, message) => {
    expect(() => freshAdapters(config, { rank: 4, alpha: 8, seed: 0, ...wrong })).toThrow(message)
  })

  it('a magnitude cannot be unmerged without its norms', () => {
    const fresh = freshAdapters(config, { rank: 2, alpha: 4, dora: true, seed: 0 }, params)
    expect(() => unmergeAdapters(params, fresh)).toThrow('unmerge: blocks.0.attn.q must come with its row norms')
  })
})
