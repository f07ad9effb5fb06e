import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { UserError } from '../graph/errors.ts'
import { type Tensor, zeros } from '../graph/tensor.ts'
import type { Adapters } from '../models/adapters.ts'
import { freshAdapters } from '../models/lora.ts'
import { loadCheckpoint } from './checkpoint.ts'
import { loadAdapters } from './load-peft.ts'
import { patternValues } from './module-pattern.ts'
import { saveAdapters } from './peft.ts'
import { readSafetensors } from './safetensors.ts'
import { writeSafetensors } from './write-safetensors.ts'

const root = mkdtempSync(join(tmpdir(), 'innate-load-peft-'))
afterAll(() => rmSync(root, { recursive: true }))
const { config, params } = await loadCheckpoint('fixtures/family-llama')

/** Adapters whose b says one, on all queries and values, with scale 2. */
function ones(rank = 4): Adapters<Tensor> {
  const fresh = freshAdapters(config, { rank, alpha: 2 * rank, seed: 1, targets: ['q', 'v'] }, params)
  const layers = Object.entries(fresh.layers).map(([path, { a, b }]) => [path, { a, b: { ...b, data: b.data.map(() => 1) } }])
  return { ...fresh, layers: Object.fromEntries(layers) }
}

async function saved(change: (json: Record<string, unknown>) => void): Promise<string> {
  const folder = mkdtempSync(join(root, 'adapter-'))
  await saveAdapters(folder, ones(), { config })
  const file = join(folder, 'adapter_config.json')
  const json = JSON.parse(readFileSync(file, 'utf8'))
  change(json)
  writeFileSync(file, JSON.stringify(json))
  return folder
}

describe('patterns of modules', () => {
  const modules = [
    ...['model.layers.0.self_attn.q_proj', 'model.layers.11.self_attn.q_proj', 'model.layers.1.mlp.up_proj', 'transformer.h.1.attn.c_proj'],
  ]
  // What PEFT 0.21's get_pattern_key says.
  it.each<[string, number[]]>([
    ['q_proj', [0, 1]],
    ['roj', []],
    ['self_attn.q_proj', [0, 1]],
    ['.*\\.(q|v)_proj', [0, 1]],
    ['model\\.layers\\.\\d+\\.self_attn\\.(q|v)_proj', [0, 1]],
    ['^model.layers.0.self_attn.q_proj', [0]],
    ['layers.1.mlp.up_proj', [2]],
    ['q_proj|up_proj', [0, 1, 2]],
    ['1.self_attn.q_proj', []],
    ['mlp', []],
    ['[0-9]*.attn.c_proj', [3]],
    ['a|model', []],
  ])('%s', (key, fits) => {
    expect([...patternValues('f', { [key]: 3 }, modules)]).toEqual(fits.map((i) => [modules[i]!, 3]))
  })

  it('the first that fits counts', () => {
    expect(patternValues('f', { '.*q_proj': 1, q_proj: 2 }, modules).get(modules[0]!)).toBe(1)
  })

  it.each(['(', '(?P<n>q)', '\\Aq_proj', 'q_proj\\Z', '(?i)Q', 'a{,2}', 'a++', '(a+)+b', '[]a]'])(
    'refuses %s or takes it as it is',
    (key) => {
      if (key === '(a+)+b') expect(() => patternValues('f', { [key]: 1 }, ['a'.repeat(60)])).toThrow('f.*: must be a regular expression')
      else expect(() => patternValues('f', { [key]: 1 }, modules)).toThrow(UserError)
    },
  )
})

describe('loadAdapters', () => {
  it('takes alpha from a pattern, and what differs from the first layer into b', async () => {
    const all = await loadAdapters(
      await saved((json) => (json.alpha_pattern = { 'model\\.layers\\.\\d+\\.self_attn\\.(q|v)_proj': 64 })),
      config,
    )
    expect(all.scale).toBe(16)
    const some = await loadAdapters(await saved((json) => (json.alpha_pattern = { '.*\\.0\\..*\\.v_proj': 64 })), config)
    expect(some.scale).toBe(2)
    const b = Object.fromEntries(Object.entries(some.layers).map(([path, layer]) => [path, layer.b.data[0]]))
    expect(b).toEqual({ 'blocks.0.attn.q': 1, 'blocks.0.attn.v': 8, 'blocks.1.attn.q': 1, 'blocks.1.attn.v': 1 })
  })

  it('takes ranks from a pattern, and saves layers of several ranks', async () => {
    const [two, four] = [ones(2), ones(4)]
    const mixed = { ...four, layers: { ...four.layers, 'blocks.1.attn.v': two.layers['blocks.1.attn.v']! } }
    const folder = join(root, 'mixed')
    await saveAdapters(folder, mixed, { config })
    const file = join(folder, 'adapter_config.json')
    const json = JSON.parse(readFileSync(file, 'utf8'))
    expect(json).toMatchObject({ r: 4, rank_pattern: { 'model.layers.1.self_attn.v_proj': 2 } })
    expect(await loadAdapters(folder, config)).toEqual(mixed)
    writeFileSync(file, JSON.stringify({ ...json, rank_pattern: { '.*1.*v_proj': 2 }, alpha_pattern: { '.*1.*v_proj': 4 } }))
    expect(await loadAdapters(folder, config)).toEqual(mixed)
  })

  it.each<[string, Record<string, unknown>, string]>([
    ['a variant that changes the forward pass', { use_qalora: true }, 'use_qalora: must be off, got true'],
    ['a field of a later PEFT', { use_newlora: { k: 1 } }, 'use_newlora must be off, since it is not known here, got {"k":1}'],
    ['saved modules', { modules_to_save: ['lm_head'] }, "modules_to_save: must be off, got [\"lm_head\"]; load an adapter that PEFT saved as LoRA or DoRA on linear layers, or merge it with PEFT's merge_and_unload"], // biome-ignore format: one line
  ])('refuses %s', async (_, change, says) => {
    await expect(loadAdapters(await saved((json) => Object.assign(json, change)), config)).rejects.toThrow(says)
  })

  it.each<[string, string]>([
    ['base_model.model.model.embed_tokens.lora_embedding_A', 'inside the blocks, got base_model.model.model.embed_tokens.lora_embedding_A'],
    ['base_model.model.lm_head.lora_A.weight', "which is the embedding's, the head's or a norm's; train it without that layer"],
    ['base_model.model.model.embed_tokens.weight', 'inside the blocks'],
    ['base_model.model.lm_head.modules_to_save.weight', 'inside the blocks'],
    ['base_model.model.model.layers.7.self_attn.q_proj.lora_A.weight', 'is it an adapter for another model?'],
  ])('says what %s is', async (name, says) => {
    const folder = await saved(() => {})
    const file = join(folder, 'adapter_model.safetensors')
    await writeSafetensors(file, (await readSafetensors(file)).set(name, zeros([4, 4])))
    await expect(loadAdapters(folder, config)).rejects.toThrow(says)
  })
})
