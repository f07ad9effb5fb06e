import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { loadCheckpoint, saveCheckpoint } from '../checkpoints/checkpoint.ts'
import { readSafetensors } from '../checkpoints/safetensors.ts'
import { openEngine } from '../engine/index.ts'
import { cacheFolder } from '../files/cache-folder.ts'
import { gradient, graph, input, isValue, leaves, reshape, sum, takeRows, tensor, UserError, type Value } from '../graph/index.ts'
import { decoder } from '../models/decoder.ts'
import { completionLogps, logits, tokenLogps } from '../models/head.ts'
import type { Completion } from '../models/sampling.ts'
import { openPolicy, type Policy, policyInputs, readParams } from './policy.ts'
import { rowInputs, rowTensors, shapeOf } from './row-inputs.ts'
import { type Packing, packTrees, type Rows, type Tree, textTree } from './rows.ts'
import { sampleCompletions } from './sample.ts'
import { scoreTrees } from './score.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())
const folders = { tied: 'fixtures/llama-tiny', untied: 'fixtures/llama-tiny-untied' }
const policies = {
  tied: await openPolicy(engine, await loadCheckpoint(folders.tied)),
  untied: await openPolicy(engine, await loadCheckpoint(folders.untied)),
}

const token = fc.integer({ min: 0, max: 263 })
const ids = (least: number, most: number) => fc.array(token, { minLength: least, maxLength: most })
const tree: fc.Arbitrary<Tree> = fc.record({ prompt: ids(1, 16), completions: fc.array(ids(0, 12), { minLength: 1, maxLength: 4 }) })
const trees = fc.array(tree, { minLength: 1, maxLength: 6 })
const packing: fc.Arbitrary<Packing> = fc.record({
  tokenBudget: fc.constantFrom(128, 256),
  lengths: fc.constantFrom(64, 128),
  wantedMultiple: fc.constant(128),
})

describe.each(['tied', 'untied'] as const)('trees packed into rows, %s', (which) => {
  it('have the loss and every parameter gradient of separate right-padded sequences, to 1e-5 relative', async () => {
    const policy = policies[which]
    const slopes = fc.infiniteStream(fc.integer({ min: -10, max: 10 }).map((n) => n / 10))
    await fc.assert(
      fc.asyncProperty(trees, packing, slopes, async (given, options, stream) => {
        const sequences = given.flatMap(({ prompt, completions }) => completions.map((completion) => ({ prompt, completion })))
        const weights = sequences.map(() => stream.next().value as number)
        const separate = await lossAndGradient(policy, padded(sequences), weights)
        const packed = await Promise.all(
          packTrees(given, options).map(({ rows, slots }) =>
            lossAndGradient(
              policy,
              rows,
              slots.map((slot) => weights[slot]!),
            ),
          ),
        )
        const size = sequences.reduce((total, _, c) => total + Math.abs(weights[c]! * separate.logps[c]!), 0)
        const loss = packed.reduce((total, part) => total + part.loss, 0)
        expectClose(scaled([loss], size), scaled([separate.loss], size), tolerances.packed, 'loss')
        for (const [name, want] of Object.entries(separate.grads)) {
          const got = want.map((_, i) => packed.reduce((total, part) => total + part.grads[name]![i]!, 0))
          const largest = Math.max(...want.map(Math.abs))
          expectClose(scaled(got, largest), scaled(want, largest), tolerances.packed, name)
        }
      }),
      { numRuns: 25 },
    )
  })
})

it('a log-probability does not depend on padding, packing, company or order, to 1e-5 relative', async () => {
  const policy = policies.tied
  await fc.assert(
    fc.asyncProperty(trees, packing, async (given, options) => {
      const alone: number[] = []
      for (const { prompt, completions } of given)
        for (const completion of completions) alone.push(...(await scoreTrees(policy, [{ prompt, completions: [completion] }])))
      const mirrored = given.map(({ prompt, completions }) => ({ prompt, completions: completions.toReversed() })).toReversed()
      const scores = [
        await scoreTrees(policy, given, options),
        (await scoreTrees(policy, mirrored, { lengths: 128, wantedMultiple: 256 })).toReversed(),
      ]
      for (const got of scores) {
        expectClose(
          got.map((x, slot) => x / (alone[slot]! || 1)),
          alone.map((x) => x / (x || 1)),
          tolerances.packed,
        )
      }
    }),
    { numRuns: 15 },
  )
})

it.each([320, -1])('scoreTrees refuses the id %i, which the model does not have', async (id) => {
  const bad = [
    { prompt: [1], completions: [[2]] },
    { prompt: [1, 5], completions: [[7], [8, id]] },
  ]
  await expect(scoreTrees(policies.tied, bad)).rejects.toThrow(
    new UserError(
      `score: ids of tree 1 must be 0 to 319 (the model's vocabulary), got ${id}; were the tokens made by another model's tokenizer?`,
    ),
  )
})

describe('readParams', () => {
  it.each(['tied', 'untied'] as const)('reads back what was put in, %s', async (which) => {
    const { params } = await loadCheckpoint(folders[which])
    expect(await readParams(policies[which])).toEqual(params)
  })

  it('gives a checkpoint that loads with the log-probabilities of the engine', async () => {
    const checkpoint = await loadCheckpoint(folders.tied)
    const policy = await openPolicy(engine, checkpoint)
    const given = [{ prompt: [1, 35, 151], completions: [[194, 286, 113], [134]] }]
    const before = await scoreTrees(policy, given)
    for (const [name, resident] of Object.entries(policy.given)) {
      const { data } = await engine.read(resident)
      await engine.write(
        resident,
        tensor(
          Float32Array.from(data, (x, i) => x + 0.02 * Math.sin(i + name.length)),
          resident.shape,
        ),
      )
    }
    const after = await scoreTrees(policy, given)
    expect(after).not.toEqual(before)
    const folder = join(mkdtempSync(join(tmpdir(), 'innate-policy-')), 'model')
    await saveCheckpoint(folder, checkpoint, await readParams(policy))
    const saved = await loadCheckpoint(folder)
    rmSync(folder, { recursive: true })
    expect(saved.params).toEqual(await readParams(policy))
    expect(await scoreTrees(await openPolicy(engine, saved), given)).toEqual(after)
  })
})

const cached = existsSync(join(cacheFolder(), 'models', 'stories15m'))
describe.skipIf(!cached)(
  `stories15m against llama2.c in f64${cached ? '' : ' (not run here: the model is not in the cache, `npm start` fetches it)'}`,
  async () => {
    const golden = JSON.parse(readFileSync('fixtures/stories15m/golden.json', 'utf8')) as {
      texts: { ids: number[]; logps: number[]; sum: number }[]
      rows: { text: number; position: number }[]
      greedy: { promptIds: number[]; ids: number[]; smallestLead: number }[]
    }
    const policy = cached ? await openPolicy(engine, await loadCheckpoint('stories15m')) : undefined

    it('log-probabilities, summed and by token', async () => {
      const sums = await scoreTrees(
        policy!,
        golden.texts.map(({ ids }) => textTree(ids)),
      )
      const tokens = golden.texts.flatMap(({ ids }) =>
        ids.slice(1).map((id, t): Tree => ({ prompt: ids.slice(0, t + 1), completions: [[id]] })),
      )
      const single = await scoreTrees(policy!, tokens)
      expectClose(
        sums,
        golden.texts.map(({ sum }) => sum),
        tolerances.doubleOracleLogps,
        'sums',
      )
      expectClose(
        single,
        golden.texts.flatMap(({ logps }) => logps),
        tolerances.doubleOracleLogps,
        'tokens',
      )
    })

    it('whole rows of logits', async () => {
      const want = (await readSafetensors('fixtures/stories15m/golden.safetensors')).get('logits')!
      const T = Math.max(...golden.texts.map(({ ids }) => ids.length))
      const { tokens, positions, mask } = rowInputs({ rows: 3, length: T, wanted: 1, completions: 1 })
      const rows3 = { tokens, positions, mask }
      const picks = input('picks', [golden.rows.length], 'i32')
      const { params, inputs } = policyInputs(policy!)
      const hidden = reshape(decoder(params, rows3, policy!.config), [3 * T, policy!.config.hiddenSize])
      const program = await engine.compile(
        graph({ ...inputs, ...rows3, picks }, { logits: logits(params, takeRows(hidden, picks), policy!.config) }),
      )
      const rows = rowTensors(
        padded(
          golden.texts.map(({ ids }) => ({ prompt: ids, completion: [] })),
          3,
          T,
        ),
      )
      const at = golden.rows.map(({ text, position }) => text * T + position)
      const got = await program.run({ ...policy!.given, ...rows, picks: tensor(Int32Array.from(at), [at.length]) })
      await program.close()
      expectClose(got.logits!, want, tolerances.doubleOracle, 'logits')
    })

    it.each(golden.greedy)('the likeliest continuation of $promptIds', async ({ promptIds, ids, smallestLead }) => {
      expect(smallestLead).toBeGreaterThan(1e-3)
      const [[said]] = (await sampleCompletions(policy!, [promptIds], { temperature: 0, maxTokens: ids.length, seed: 0, eosIds: [] })) as [
        [Completion],
      ]
      expect(said.ids).toEqual(ids)
    })
  },
)

/** Numbers in units of the largest. */
function scaled(numbers: ArrayLike<number>, largest: number): Float64Array {
  return Float64Array.from(numbers, (x) => (largest === 0 ? x : x / largest))
}

/** Loss Σ weight · logp over completions, and its gradient by parameter. */
async function lossAndGradient(policy: Policy, rows: Rows, weights: readonly number[]) {
  const shape = shapeOf(rows)
  const program = await policy.program(`loss and gradient ${JSON.stringify(shape)}`, () => {
    const { params, inputs } = policyInputs(policy)
    const given = rowInputs(shape)
    const slope = input('slope', [shape.completions])
    const hidden = decoder(params, given, policy.config)
    const logps = completionLogps(
      tokenLogps(params, hidden, given.wanted, given.targets, policy.config),
      given.completion,
      given.weights,
      shape.completions,
    )
    const loss = sum(logps.mul(slope))
    const grads = leaves<Value>(gradient(loss, inputs), isValue).map(([name, value]) => [`grad.${name}`, value])
    return graph({ ...inputs, ...given, slope }, { loss, logps, ...Object.fromEntries(grads) })
  })
  const slope = tensor(
    Float32Array.from({ length: shape.completions }, (_, c) => weights[c] ?? 0),
    [shape.completions],
  )
  const { loss, logps, ...grads } = await program.run({ ...policy.given, ...rowTensors(rows), slope })
  return {
    loss: loss!.data[0]!,
    logps: logps!.data,
    grads: Object.fromEntries(Object.entries(grads).map(([name, { data }]) => [name, Array.from(data)])),
  }
}

/** One ordinary row for each sequence, padded on the right, under a causal mask; every position's next token has a weight of 1 or 0. */
function padded(sequences: readonly { prompt: readonly number[]; completion: readonly number[] }[], R = 24, T = 32): Rows {
  const whole = sequences.map(({ prompt, completion }) => [...prompt, ...completion])
  const at = <A extends Int32Array | Float32Array>(data: A, value: (r: number, t: number) => number): A =>
    data.map((_, i) => value(Math.floor(i / T), i % T)) as A
  const i32 = (value: (r: number, t: number) => number) => at(new Int32Array(R * T), value)
  const wanted = (r: number, t: number) => {
    const { prompt, completion } = sequences[r] ?? { prompt: [], completion: [] }
    return t >= prompt.length - 1 && t < prompt.length + completion.length - 1 ? 1 : 0
  }
  return {
    rows: R,
    length: T,
    tokens: tensor(
      i32((r, t) => whole[r]?.[t] ?? 0),
      [R, T],
    ),
    positions: tensor(
      i32((_, t) => t),
      [R, T],
    ),
    mask: tensor(
      Float32Array.from({ length: R * T * T }, (_, i) => (i % T <= Math.floor(i / T) % T ? 0 : -1e9)),
      [R, 1, T, T],
    ),
    wanted: tensor(
      i32((r, t) => r * T + t),
      [R * T],
    ),
    targets: tensor(
      i32((r, t) => whole[r]?.[t + 1] ?? 0),
      [R * T],
    ),
    completion: tensor(
      i32((r) => r),
      [R * T],
    ),
    weights: tensor(at(new Float32Array(R * T), wanted), [R * T]),
    completions: R,
  }
}
