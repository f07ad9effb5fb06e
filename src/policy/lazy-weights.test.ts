import { copyFileSync, cpSync, mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { loadCheckpoint, saveCheckpoint } from '../checkpoints/checkpoint.ts'
import { type Engine, openEngine } from '../engine/index.ts'
import { isLazy, placeOf } from '../files/lazy-tensor.ts'
import { isTensor, leaves } from '../graph/index.ts'
import { openPolicy } from './policy.ts'
import { sampleCompletions } from './sample.ts'
import { scoreTrees } from './score.ts'

const root = mkdtempSync(join(tmpdir(), 'innate-lazy-'))
const engine = openEngine({ threads: 1 })
afterAll(async () => {
  await engine.close()
  rmSync(root, { recursive: true })
})

const gguf = readdirSync('fixtures/gguf-tiny').filter((name) => name.endsWith('.gguf')).map((name) => `fixtures/gguf-tiny/${name}`) // biome-ignore format: one line
const families = readdirSync('fixtures').filter((name) => /^(family-|llama-tiny)/.test(name)).map((name) => `fixtures/${name}`) // biome-ignore format: one line

describe('weights that are read when they are asked for', () => {
  it.each([...gguf, ...families])('%s: are those that are read at once', async (name) => {
    const [whole, lazy] = [await loadCheckpoint(name), await loadCheckpoint(name, { lazyFrom: 0 })]
    expect({ ...lazy, params: 0, tokenizer: 0 }).toEqual({ ...whole, params: 0, tokenizer: 0 })
    const found = new Map(leaves(lazy.params, isTensor))
    for (const [path, tensor] of leaves(whole.params, isTensor)) expect(found.get(path)!.data, path).toEqual(tensor.data)
    expect([...found.values()].some(isLazy)).toBe(true)
  })

  it.each(['f16', 'bf16'] as const)('of %s too', async (dtype) => {
    const folder = join(root, dtype)
    await saveCheckpoint(folder, await loadCheckpoint('fixtures/llama-tiny'), undefined, { dtype })
    const [whole, lazy] = [await loadCheckpoint(folder), await loadCheckpoint(folder, { lazyFrom: 0 })]
    expect(isLazy(lazy.params.embed)).toBe(true)
    expect(placeOf(lazy.params.embed)).toBe(undefined)
    expect(lazy.params.blocks[1]!.mlp.down.data).toEqual(whole.params.blocks[1]!.mlp.down.data)
  })

  it('of a GGUF file are known by the types that they come in', async () => {
    expect((await loadCheckpoint('fixtures/gguf-tiny/model.gguf')).types).toEqual(['Q4_1', 'F16', 'Q8_0'])
  })

  it('a file that was changed since is refused', async () => {
    const folder = join(root, 'changed')
    cpSync('fixtures/llama-tiny', folder, { recursive: true })
    const { params } = await loadCheckpoint(folder, { lazyFrom: 0 })
    copyFileSync(join('fixtures/llama-tiny-untied', 'model.safetensors'), join(folder, 'model.safetensors'))
    utimesSync(join(folder, 'model.safetensors'), 1, 1)
    expect(() => params.blocks[0]!.attn.q.data).toThrow(
      /model\.safetensors: weights must stay as they are .*, got another file there; start again$/,
    )
  })
})

describe('weights in the engine', () => {
  const trees = [{ prompt: [1, 5, 9], completions: [[7, 300, 12], [45]] }]
  const logpsOf = async (on: Engine, mapped?: number) => {
    const policy = await openPolicy(
      on,
      await loadCheckpoint('fixtures/llama-tiny', { lazyFrom: 0 }),
      undefined,
      mapped === undefined ? {} : { mapped },
    )
    const [said] = (await sampleCompletions(policy, [[1, 5, 9]], { seed: 4, eosIds: [], maxTokens: 12 }))[0]!
    return { policy, numbers: { scores: await scoreTrees(policy, trees), ids: said!.ids, logps: said!.logps } }
  }

  it('mapped from their file or copied from it, give the same log-probabilities to the bit', async () => {
    const memory = await logpsOf(engine)
    const mapped = await logpsOf(engine, 0)
    expect(mapped.policy.params.embed.slot.file?.file).toMatch(/model\.safetensors$/)
    expect(memory.policy.params.embed.slot.file).toBe(undefined)
    expect(mapped.numbers.ids).toEqual(memory.numbers.ids)
    expect(mapped.numbers.scores).toEqual(memory.numbers.scores)
    const whole = await openPolicy(engine, await loadCheckpoint('fixtures/llama-tiny'))
    expect(await scoreTrees(whole, trees)).toEqual(memory.numbers.scores)
    const read = await engine.read(mapped.policy.params.blocks[0]!.attn.q)
    expect(read.data).toEqual((await engine.read(whole.params.blocks[0]!.attn.q)).data)
  })
})
