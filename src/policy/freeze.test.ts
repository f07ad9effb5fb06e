import { afterAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { loadCheckpoint } from '../checkpoints/checkpoint.ts'
import { loadAdapters } from '../checkpoints/load-peft.ts'
import { openEngine } from '../engine/index.ts'
import { graph, input, isTensor, mapNested, type Tensor, tensor } from '../graph/index.ts'
import { freeze } from './freeze.ts'
import { openPolicy, type Policy } from './policy.ts'
import { sampleCompletions } from './sample.ts'
import { scoreTokens, scoreTrees } from './score.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())
const model = await loadCheckpoint('fixtures/llama-tiny')
const prompts = [
  [1, 5, 9],
  [7, 300, 12, 45, 8],
]
const say = (policy: Policy, perPrompt: number) =>
  sampleCompletions(policy, prompts.slice(0, perPrompt), { seed: 4, eosIds: [], maxTokens: 24, perPrompt })

describe('what is written with adapters merged in has the log-probabilities of those adapters', () => {
  it.each(['peft-lora', 'peft-rslora', 'peft-dora'])('%s', async (folder) => {
    const policy = await openPolicy(engine, model, await loadAdapters(`fixtures/${folder}`, model.config))
    const plain = await openPolicy(engine, model)
    for (const perPrompt of [1, 2]) {
      const groups = await say(policy, perPrompt)
      const trees = groups.map((group, i) => ({ prompt: prompts[i]!, completions: group.map(({ ids }) => ids) }))
      const summed = groups.flat().map(({ logps }) => logps.reduce((a, b) => a + b, 0))
      expectClose(summed, await scoreTrees(policy, trees), tolerances.teacherForced)
      const without = await scoreTrees(plain, trees)
      expect(summed.some((logp, i) => Math.abs(logp - without[i]!) > 0.1)).toBe(true)
    }
  })
})

describe('what is written to a policy’s parameters between two calls', () => {
  /** The final norm, turned around: another model altogether. */
  const turned = ({ data, shape }: Tensor) =>
    tensor(
      Float32Array.from(data, (x) => -x),
      shape,
    )

  it.each([
    ['is seen', false],
    ['is not, where it was called fixed', true],
  ])('%s', async (_, fixed) => {
    const policy = await openPolicy(engine, model, undefined, { fixed })
    const before = await say(policy, 2)
    expect(await say(policy, 2)).toEqual(before)
    await engine.write(policy.params.norm, turned(model.params.norm))
    const [[first], [other]] = [(await say(policy, 2))[0]!, before[0]!]
    // The first token is read with the prompt, by a program that holds nothing.
    expect(first!.ids[0] === other!.ids[0] && first!.logps[0] === other!.logps[0]).toBe(false)
    const same = await scoreTrees(policy, [{ prompt: [...prompts[0]!, first!.ids[0]!], completions: [first!.ids.slice(1)] }])
    const said = first!.logps.slice(1).reduce((a, b) => a + b, 0)
    expect(Math.abs(said - same[0]!) < 1e-3).toBe(!fixed)
  })
})

it('a policy that is too large to be kept twice stays as it is, and its own when it is closed', async () => {
  const policy = await openPolicy(engine, model, await loadAdapters('fixtures/peft-lora', model.config))
  const same = await freeze(policy, 2, { most: 1000 })
  expect([same.adapters, same.given]).toEqual([policy.adapters, policy.given])
  await same.close()
  expect((await say(policy, 2)).flat()).toHaveLength(4)
  const [kept, again] = [await freeze(policy, 2), await freeze(policy, 2)]
  expect([kept.adapters, kept.given === again.given]).toEqual([undefined, false])
  for (const one of [kept, again]) await one.close()
})

it('a fixed policy is kept in one form at a time, and what is in use is closed when nobody uses it any more', async () => {
  const policy = await openPolicy(engine, model, undefined, { fixed: true })
  const one = await freeze(policy, 1)
  const program = await one.program('double', () => {
    const norm = input('params.norm', model.params.norm.shape)
    return graph({ 'params.norm': norm }, { y: norm.mul(2) })
  })
  const several = await freeze(policy, 2)
  expect(several.given).not.toBe(one.given)
  expect((await program.run({})).y!.shape).toEqual(model.params.norm.shape)
  await one.close()
  await expect(program.run({})).rejects.toThrow('internal: engine could not run a graph')
  expect((await freeze(policy, 1)).given).toBe(several.given)
})

describe('what is sampled from rounded weights', () => {
  const mean = (x: readonly number[]) => x.reduce((a, b) => a + b, 0) / x.length
  const gapOf = async (policy: Policy, weights: 'f32' | 'int8' | 'int4', perPrompt: number) => {
    const groups = await sampleCompletions(policy, prompts, { seed: 4, eosIds: [], maxTokens: 24, perPrompt, weights })
    const trees = groups.map((group, i) => ({ prompt: prompts[i]!, completions: group.map(({ ids }) => ids) }))
    const own = (await scoreTokens(policy, trees)).flat(2)
    const said = groups.flat().flatMap(({ logps }) => logps)
    return mean(said.map((logp, i) => Math.abs(logp - own[i]!)))
  }

  it('is near to the model, nearer with more bits, and not the model; the next call without them is the model again', async () => {
    const policy = await openPolicy(engine, model, undefined, { fixed: true })
    for (const perPrompt of [1, 3]) {
      const [eight, four, none] = [
        await gapOf(policy, 'int8', perPrompt),
        await gapOf(policy, 'int4', perPrompt),
        await gapOf(policy, 'f32', perPrompt),
      ]
      expect(none).toBeLessThan(1e-4)
      expect(eight).toBeGreaterThan(none)
      expect(four).toBeGreaterThan(eight)
      expect(four).toBeLessThan(0.5)
    }
  })

  const spoken = { seed: 4, eosIds: [], maxTokens: 12, perPrompt: 2 }

  it.each(['int8', 'int4'] as const)('%s: what is never in the engine as it was is the same to the bit', async (weights) => {
    const lazy = await loadCheckpoint('fixtures/llama-tiny', { lazyFrom: 0 })
    const streamed = await openPolicy(engine, lazy, undefined, { streamed: true })
    expect(streamed.streamed).toBe(true)
    const whole = await openPolicy(engine, model)
    expect(await sampleCompletions(streamed, prompts, { ...spoken, weights })).toEqual(
      await sampleCompletions(whole, prompts, { ...spoken, weights }),
    )
  })

  it.each(['int8', 'int4'] as const)('%s: prompts and completions are read by one model', async (weights) => {
    const policy = await openPolicy(engine, model, undefined, { fixed: true })
    const greedy = { seed: 0, eosIds: [], temperature: 0, weights }
    const said = await sampleCompletions(policy, prompts, { ...greedy, maxTokens: 12 })
    const again = said.flatMap(([whole], i) => whole!.ids.map((_, t) => [...prompts[i]!, ...whole!.ids.slice(0, t)]))
    const first = await sampleCompletions(policy, again, { ...greedy, maxTokens: 1 })
    const logps = (groups: typeof said) => groups.flat().flatMap((one) => one.logps)
    expectClose(logps(first), logps(said), tolerances.teacherForced)
  })

  it.each([
    ['int8', 8],
    ['int4', 4],
  ] as const)('%s: it is the model of those weights but for rows that are rounded to 8 bits', async (weights, bits) => {
    const groups = await sampleCompletions(await openPolicy(engine, model), prompts, { ...spoken, weights })
    const trees = groups.map((group, i) => ({ prompt: prompts[i]!, completions: group.map(({ ids }) => ids) }))
    const matrix = (x: Tensor) => tensor(dequantised(x.data as Float32Array, bits), x.shape)
    const params = mapNested(model.params, isTensor, (x: Tensor, path) =>
      path.startsWith('blocks') && x.shape.length === 2 ? matrix(x) : x,
    )
    const untied = { config: { ...model.config, tied: false }, params: { ...params, head: matrix(model.params.embed) } as never }
    const own = (await scoreTokens(await openPolicy(engine, untied), trees)).flat(2)
    const said = groups.flat().flatMap(({ logps }) => logps)
    expect(mean(said.map((logp, i) => Math.abs(logp - own[i]!)))).toBeLessThan(tolerances.rowsOf8Bits.absolute)
  })

  it('must be of weights without an adapter where they are read block by block', async () => {
    const lazy = await loadCheckpoint('fixtures/llama-tiny', { lazyFrom: 0 })
    const policy = await openPolicy(engine, lazy, await loadAdapters('fixtures/peft-lora', lazy.config), { streamed: true })
    const asked = sampleCompletions(policy, prompts, { seed: 0, eosIds: [], weights: 'int8' })
    await expect(asked).rejects.toThrow(
      'sample: weights must be f32 for a model with an adapter that is read from its file block by block, got int8',
    )
  })

  it('must be asked for by a name that there is', async () => {
    const asked = sampleCompletions(await openPolicy(engine, model), prompts, { seed: 0, eosIds: [], weights: 'int2' as never })
    await expect(asked).rejects.toThrow('sample: weights must be one of f32, int8, int4, got "int2"; leave it out for f32')
  })
})

/** Numbers as blocks of 32 hold them. */
function dequantised(numbers: Float32Array, bits: 8 | 4): Float32Array {
  return numbers.map((x, i) => {
    const block = numbers.subarray(32 * Math.floor(i / 32), 32 * Math.floor(i / 32) + 32)
    const largest = block.reduce((most, y) => (Math.abs(y) > Math.abs(most) ? y : most), 0)
    const step = bits === 8 ? Math.abs(largest) / 127 : largest / -8
    return step === 0 ? 0 : Math.min(Math.round(x / step), 2 ** (bits - 1) - 1) * step
  })
}
