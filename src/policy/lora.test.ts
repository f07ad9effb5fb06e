import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { loadCheckpoint } from '../checkpoints/checkpoint.ts'
import { loadAdapters } from '../checkpoints/load-peft.ts'
import { saveAdapters } from '../checkpoints/peft.ts'
import { readSafetensors } from '../checkpoints/safetensors.ts'
import { writeSafetensors } from '../checkpoints/write-safetensors.ts'
import { openEngine } from '../engine/index.ts'
import { gradient, graph, isValue, leaves, mean, type Tensor, tensor, type Value, zeros } from '../graph/index.ts'
import type { Adapters } from '../models/adapters.ts'
import { decoder } from '../models/decoder.ts'
import { logits, tokenLogps } from '../models/head.ts'
import { freshAdapters, linearLayers, mergeAdapters } from '../models/lora.ts'
import { openPolicy, policyInputs, readAdapters } from './policy.ts'
import { rowInputs, rowTensors, shapeOf } from './row-inputs.ts'
import { packTrees, textTree } from './rows.ts'
import { scoreTrees } from './score.ts'

const fixture = 'fixtures/peft-lora'
const base = await loadCheckpoint('fixtures/llama-tiny')
const adapters = await loadAdapters(fixture, base.config)
const { tokens } = JSON.parse(readFileSync(`${fixture}/golden.json`, 'utf8')) as { tokens: number[][] }
const golden = await readSafetensors(`${fixture}/golden.safetensors`)
const engine = openEngine({ threads: 1 })
const root = mkdtempSync(join(tmpdir(), 'innate-lora-'))
const folder = join(root, 'adapter')
const configFile = join(folder, 'adapter_config.json')
const weightsFile = join(folder, 'adapter_model.safetensors')
const jsonOf = (path: string) => JSON.parse(readFileSync(path, 'utf8'))
beforeEach(() => rmSync(folder, { recursive: true, force: true }))
afterAll(async () => {
  rmSync(root, { recursive: true })
  await engine.close()
})

/** Logits at every position, the mean cross-entropy, and its gradient by adapter, for the golden file's tokens. */
async function run(params: Parameters<typeof openPolicy>[1]['params'], given?: Adapters<Tensor>) {
  const policy = await openPolicy(engine, { config: base.config, params }, given)
  const T = tokens[0]!.length
  const trees = tokens.map((row) => textTree([...row, 0]))
  const [batch] = packTrees(trees, { lengths: [T], wantedMultiple: 1 })
  const rows = rowInputs(shapeOf(batch!.rows))
  const { params: p, adapters: traced, inputs } = policyInputs(policy)
  const hidden = decoder(p, rows, base.config, traced ? { adapters: traced } : {})
  // The last position of each row has no next token in the golden file.
  const asked = rows.weights
  const loss = mean(tokenLogps(p, hidden, rows.wanted, rows.targets, base.config).mul(asked))
    .neg()
    .mul(T / (T - 1))
  const lora = Object.fromEntries(Object.entries(inputs).filter(([name]) => name.startsWith('lora.')))
  const grads = leaves<Value>(gradient(loss, lora), isValue).map(([name, g]) => [`grad.${name}`, g])
  const program = await engine.compile(
    graph({ ...inputs, ...rows }, { logits: logits(p, hidden, base.config), loss, ...Object.fromEntries(grads) }),
  )
  const weights = batch!.rows.weights.data.map((_, n) => (n % T === T - 1 ? 0 : 1)) as Float32Array
  return program.run({ ...policy.given, ...rowTensors(batch!.rows), weights: tensor(weights, [weights.length]) })
}

describe('an adapter that PEFT made', () => {
  it('has the logits and the gradients of A and B that PEFT has', async () => {
    const got = await run(base.params, adapters)
    expectClose(got.logits!, golden.get('tap.logits')!, tolerances.golden, 'logits')
    const paths = Object.keys(adapters.layers)
    expect(paths.length).toBe(14)
    for (const path of paths) {
      expectClose(got[`grad.lora.${path}.a`]!, golden.get(`grad.${path}.A`)!, tolerances.golden, `${path}.A`)
      expectClose(got[`grad.lora.${path}.b`]!, golden.get(`grad.${path}.B`)!, tolerances.golden, `${path}.B`)
    }
    expectClose(got.loss!.data, [jsonOf(`${fixture}/golden.json`).losses[0]], tolerances.golden, 'loss')
  })

  it('does the same merged', async () => {
    const { logits: merged } = await run(mergeAdapters(base.params, adapters))
    expectClose(merged!, golden.get('tap.logits')!, tolerances.golden, 'logits')
  })

  it('is saved as PEFT saved it, tensor by tensor', async () => {
    await saveAdapters(folder, adapters, { name: 'llama-tiny', config: base.config })
    const [ours, theirs] = [await readSafetensors(weightsFile), await readSafetensors(`${fixture}/adapter_model.safetensors`)]
    expect([...ours.keys()].sort()).toEqual([...theirs.keys()].sort())
    for (const [name, want] of theirs) expectClose(ours.get(name)!, want, tolerances.exact, name)
    expect(jsonOf(`${fixture}/adapter_config.json`)).toMatchObject(jsonOf(configFile))
    expect(await loadAdapters(folder, base.config)).toEqual(adapters)
  })

  it('scores completions and is read back from the engine', async () => {
    const policy = await openPolicy(engine, base, adapters)
    const merged = await openPolicy(engine, { config: base.config, params: mergeAdapters(base.params, adapters) })
    const trees = tokens.map((row) => ({ prompt: row.slice(0, 4), completions: [row.slice(4, 9), row.slice(10)] }))
    expectClose(await scoreTrees(policy, trees), await scoreTrees(merged, trees), tolerances.teacherForced)
    expect(await readAdapters(policy)).toEqual(adapters)
  })
})

describe('freshAdapters', () => {
  const { config } = base

  it('changes nothing until it is trained', async () => {
    const fresh = freshAdapters(config, { rank: 8, alpha: 16, seed: 1 })
    expect(fresh.scale).toBe(2)
    expect(Object.keys(fresh.layers)).toEqual(Object.keys(adapters.layers))
    expect((await run(base.params, fresh)).logits).toEqual((await run(base.params)).logits)
    expect(mergeAdapters(base.params, fresh)).toEqual(base.params)
  })

  it('draws A evenly from ±1/√in, B zero, anew for every seed and layer', () => {
    const { layers } = freshAdapters(config, { rank: 64, alpha: 64, seed: 3 })
    for (const [path, { a, b }] of Object.entries(layers)) {
      const [rank, width] = a.shape as [number, number]
      const unit = Array.from(a.data, (x) => x * Math.sqrt(width))
      const variance = unit.reduce((total, x) => total + x * x, 0) / unit.length
      expect([rank, b.shape[1], path.endsWith('down') ? 96 : 64]).toEqual([64, 64, width])
      expect(Math.max(...unit.map(Math.abs))).toBeLessThanOrEqual(1 + 1e-6)
      expect(Math.abs(variance - 1 / 3)).toBeLessThan((4 * Math.sqrt(4 / 45)) / Math.sqrt(unit.length))
      expect(b).toEqual(zeros(b.shape))
    }
    const first = (seed: number) => freshAdapters(config, { rank: 1, alpha: 1, seed }).layers
    expect(first(3)).toEqual(first(3))
    expect(first(3)['blocks.0.attn.q']!.a).not.toEqual(first(4)['blocks.0.attn.q']!.a)
    expect(first(3)['blocks.0.attn.q']!.a).not.toEqual(first(3)['blocks.1.attn.q']!.a)
  })

  it('takes the layers it is told to', async () => {
    const { layers } = freshAdapters(config, { rank: 2, alpha: 4, targets: ['v', 'q'], seed: 0 })
    expect(Object.keys(layers)).toEqual(['blocks.0.attn.q', 'blocks.0.attn.v', 'blocks.1.attn.q', 'blocks.1.attn.v'])
    await saveAdapters(folder, { scale: 2, layers }, { config })
    expect(jsonOf(configFile)).toMatchObject({ r: 2, lora_alpha: 4, target_modules: ['q_proj', 'v_proj'], base_model_name_or_path: null })
    const { 'blocks.1.attn.q': _, ...uneven } = layers
    await saveAdapters(folder, { scale: 2, layers: uneven }, { config })
    expect(jsonOf(configFile).target_modules).toEqual([
      'model.layers.0.self_attn.q_proj',
      'model.layers.0.self_attn.v_proj',
      'model.layers.1.self_attn.v_proj',
    ])
    expect(await loadAdapters(folder, config)).toEqual({ scale: 2, layers: uneven })
  })

  it.each([
    [{ rank: 0 }, 'lora.rank: must be a whole number from 1 on, got 0; 8 is a common choice'],
    [{ rank: 1.5 }, 'lora.rank: must be a whole number from 1 on, got 1.5; 8 is a common choice'],
    [{ alpha: Number.NaN }, 'lora.alpha: must be above 0, got NaN; twice the rank is a common choice'],
    [{ targets: ['q_proj'] }, 'lora.targets: must name some of q, k, v, o, gate, up, down, got "q_proj"; leave it out for all'],
    [
      { sites: ['blocks.*.mlp.dwn'] },
      /^edit\.sites: must name matrices of blocks \(.*\), got "blocks\.\*\.mlp\.dwn"; did you mean blocks\.\*\.mlp\.down\?$/,
    ],
    [{ sites: ['blocks.9.mlp.down'] }, /got "blocks\.9\.mlp\.down"; blocks are numbered from 0 to \d+$/],
    [{ targets: [] }, 'lora.targets: must name some of q, k, v, o, gate, up, down, got none; leave it out for all'],
  ])('refuses %j', (wrong, message) => {
    expect(() => freshAdapters(config, { rank: 4, alpha: 8, seed: 0, ...wrong })).toThrow(message)
  })

  it('refuses a target that the family lacks, and takes all that it has without one', async () => {
    const gpt2 = await loadCheckpoint('fixtures/family-gpt2')
    const lora = { rank: 2, alpha: 4, seed: 0 }
    expect(() => freshAdapters(gpt2.config, { ...lora, targets: ['q', 'gate'] })).toThrow(
      'lora.targets: must name layers that the model has, got "gate" for a gpt2, which has none; leave it out',
    )
    expect(Object.keys(freshAdapters(gpt2.config, lora).layers)).toContain('blocks.0.mlp.up')
  })
})

describe('loadAdapters refuses', () => {
  const remedy = "load an adapter that PEFT saved as LoRA or DoRA on linear layers, or merge it with PEFT's merge_and_unload"

  it.each<[string, object, string]>([
    ['another kind', { peft_type: 'IA3' }, 'peft_type'],
    ['DoRA without its magnitudes', { use_dora: true }, 'lora_magnitude_vector must be f32[64], got no such tensor'],
    ['trained biases', { bias: 'all' }, 'bias: must be off'],
    ['another rank by layer than its tensors have', { rank_pattern: { q_proj: 2 } }, 'lora_A.weight must be f32[2, 64], got f32[4, 64]'],
    ['whole modules beside it', { modules_to_save: ['lm_head'] }, 'modules_to_save: must be off'],
    ['a start that moves the base model', { init_lora_weights: 'pissa' }, 'init_lora_weights'],
    [
      'another rank than its tensors have',
      { r: 5 },
      'lora_A.weight must be f32[5, 64], got f32[4, 64]; is it an adapter for another model?',
    ],
  ])('%s', async (_, change, message) => {
    cpSync(fixture, folder, { recursive: true })
    writeFileSync(configFile, JSON.stringify({ ...jsonOf(configFile), ...change }))
    await expect(loadAdapters(folder, base.config)).rejects.toThrow(message)
  })

  it('tensors that are missing or that the model has no layer for', async () => {
    cpSync(fixture, folder, { recursive: true })
    const all = await readSafetensors(weightsFile)
    const [first] = all.keys()
    await writeSafetensors(weightsFile, [...all].slice(1))
    await expect(loadAdapters(folder, base.config)).rejects.toThrow(`${first} must be f32[`)
    await writeSafetensors(weightsFile, all.set('base_model.model.lm_head.lora_A.weight', zeros([4, 64])))
    await expect(loadAdapters(folder, base.config)).rejects.toThrow(
      'an adapter must be on linear layers inside the blocks, got base_model.model.lm_head.lora_A.weight',
    )
    await writeSafetensors(weightsFile, [])
    await expect(loadAdapters(folder, base.config)).rejects.toThrow(`must hold an adapter, got no tensor; ${remedy}`)
  })

  it('but reads a rank-stabilised one: scale = alpha / √rank', async () => {
    cpSync(fixture, folder, { recursive: true })
    writeFileSync(configFile, JSON.stringify({ ...jsonOf(configFile), use_rslora: true }))
    expect((await loadAdapters(folder, base.config)).scale).toBe(4)
  })
})

it('every linear layer is one that a block has', () => {
  expect(Object.values(linearLayers).map(({ path }) => `blocks.0.${path}`)).toEqual(Object.keys(adapters.layers).slice(0, 7))
})
