import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { loadCheckpoint, saveCheckpoint } from '../checkpoints/checkpoint.ts'
import { readSafetensors } from '../checkpoints/safetensors.ts'
import { writeSafetensors } from '../checkpoints/write-safetensors.ts'
import { openEngine } from '../engine/index.ts'
import { gradient, graph, isValue, leaves, mean, tap as plainTap, type Tensor, tensor, UserError, type Value } from '../graph/index.ts'
import { readConfig, writeConfig } from '../models/config.ts'
import { decoder } from '../models/decoder.ts'
import { families } from '../models/families/index.ts'
import { logits, tokenLogps } from '../models/head.ts'
import { freshAdapters, mergeAdapters } from '../models/lora.ts'
import { tapNames, tapOf } from '../models/taps.ts'
import { fileTensors, pack } from '../models/tensor-names.ts'
import { openPolicy, policyInputs } from './policy.ts'
import { rowInputs, rowTensors, shapeOf } from './row-inputs.ts'
import { packTrees, textTree } from './rows.ts'
import { sampleCompletions } from './sample.ts'
import { scoreTrees } from './score.ts'

const engine = openEngine({ threads: 1 })
const root = mkdtempSync(join(tmpdir(), 'innate-families-'))
afterAll(async () => {
  rmSync(root, { recursive: true })
  await engine.close()
})

describe.each(Object.keys(families))('%s against transformers (fixtures/family-*, by oracle/)', async (name) => {
  const folder = `fixtures/family-${name.replaceAll('_', '-')}`
  const checkpoint = await loadCheckpoint(folder)
  const { config, params } = checkpoint
  const golden = await readSafetensors(`${folder}/golden.safetensors`)
  const said = JSON.parse(readFileSync(`${folder}/golden.json`, 'utf8')) as { prompts: number[][]; greedy: number[][] }
  const json = JSON.parse(readFileSync(`${folder}/config.json`, 'utf8')) as Record<string, unknown>
  const [R, T] = golden.get('tokens')!.shape as [number, number]
  const tokens = Array.from({ length: R }, (_, r) => [...golden.get('tokens')!.data.slice(r * T, (r + 1) * T)])

  it('logits, hidden states and attention patterns; gradients where the golden file has them', async () => {
    const policy = await openPolicy(engine, checkpoint)
    const [batch] = packTrees(
      tokens.map((row) => textTree([...row, 0])),
      { lengths: [T], wantedMultiple: 1 },
    )
    const rows = rowInputs(shapeOf(batch!.rows))
    const { params: p, inputs } = policyInputs(policy)
    const taps: Record<string, Value> = {}
    const hidden = decoder(p, rows, config, { tap: (at, value) => (taps[at] = plainTap(at, value)) })
    // The last position of each row has no next token.
    const loss = mean(tokenLogps(p, hidden, rows.wanted, rows.targets, config).mul(rows.weights))
      .neg()
      .mul(T / (T - 1))
    const wantsGradient = [...golden.keys()].some((key) => key.startsWith('grad.'))
    const grads = wantsGradient ? leaves<Value>(gradient(loss, inputs), isValue).map(([at, g]) => [`grad.${at}`, g]) : []
    const program = await engine.compile(
      graph({ ...inputs, ...rows }, { ...taps, logits: logits(p, hidden, config), loss, ...Object.fromEntries(grads) }),
    )
    const weights = batch!.rows.weights.data.map((_, n) => (n % T === T - 1 ? 0 : 1)) as Float32Array
    const got = await program.run({ ...policy.given, ...rowTensors(batch!.rows), weights: tensor(weights, [weights.length]) })
    await program.close()

    expectClose(got.logits!.data, golden.get('logits')!.data, tolerances.families, 'logits')
    for (let i = 0; i <= config.layers; i++) {
      const at = i === 0 ? 'embed' : i === config.layers ? 'final' : `blocks.${i - 1}.out`
      expectClose(got[at]!.data, golden.get(`hidden.${i}`)!.data, tolerances.families, at)
    }
    for (let i = 0; i < config.layers; i++)
      expectClose(got[`blocks.${i}.attn.pattern`]!.data, golden.get(`attention.${i}`)!.data, tolerances.golden, `pattern of block ${i}`)

    const inNorms = tapNames(config).filter((at) => at.endsWith('.scale'))
    expect(Object.keys(taps)).toEqual(tapNames(config).filter((at) => !inNorms.includes(at)))
    const all: string[] = []
    const noted = (at: string, value: Value) => {
      all.push(`${at} [${value.shape}]`)
      return value
    }
    decoder(p, rows, config, { asks: () => true, tap: noted })
    const { heads, kvHeads, headDim, hiddenSize: d, intermediateSize: f } = config
    const sizes: Record<string, number> = { R, T, heads, kvHeads, headDim, d, f, keys: T, 1: 1 }
    const shape = (at: string) => {
      const [first, whole] = [...tapOf(at)!.shape.matchAll(/\[([^\]]*)\]/g)].map(([, axes]) => axes!.split(', ').map((axis) => sizes[axis]))
      return `${at} [${whole && config.qkNorm === 'whole' ? whole : first}]`
    }
    expect(all).toEqual(tapNames(config).map(shape))

    if (!wantsGradient) return
    let compared = 0
    for (const stored of fileTensors(config)) {
      const want = golden.get(`grad.${stored.name}`)
      expect(want, stored.name).toBeDefined()
      const mine = stored.parts.map(({ path, shape }): Tensor => ({ ...got[`grad.params.${path}`]!, shape }))
      expectClose(pack(stored, mine).data, want!.data, tolerances.golden, `gradient of ${stored.name}`)
      compared++
    }
    expect(compared).toBe([...golden.keys()].filter((key) => key.startsWith('grad.')).length)
  })

  it('64 greedy tokens, from a cache', async () => {
    const policy = await openPolicy(engine, checkpoint)
    const written = await sampleCompletions(policy, said.prompts, { temperature: 0, maxTokens: 64, seed: 0, eosIds: [] })
    expect(written.map(([completion]) => completion!.ids)).toEqual(said.greedy)
    const trees = said.prompts.map((prompt, i) => ({ prompt, completions: [said.greedy[i]!] }))
    const forced = await scoreTrees(policy, trees)
    const summed = written.map(([completion]) => completion!.logps.reduce((a, b) => a + b, 0))
    expectClose(summed, forced, tolerances.teacherForced, 'logps of what was said')
  })

  it.each([
    ['rows', 64],
    ['segments', 128],
  ] as const)('branches of a tree are scored as if each stood alone, where attention takes %s', async (taken, length) => {
    const policy = await openPolicy(engine, checkpoint)
    const prompt = tokens[0]!.slice(0, 6)
    const completions = [tokens[0]!.slice(6), tokens[1]!.slice(0, 13), tokens[1]!.slice(10)]
    const trees = [{ prompt, completions }, textTree(tokens[1]!)]
    expect(packTrees(trees, { lengths: [length] }).map(({ rows }) => (rows.segments ? 'segments' : 'rows'))).toEqual([taken])
    const together = await scoreTrees(policy, trees, { lengths: [length] })
    const alone = [...completions.map((ids) => ({ prompt, completions: [ids] })), textTree(tokens[1]!)]
    const apart = []
    for (const tree of alone) apart.push(...(await scoreTrees(policy, [tree], { lengths: [24] })))
    expectClose(together, apart, tolerances.families, 'logps')
  })

  it('every linear layer takes an adapter, and merging it changes nothing', async () => {
    const fresh = freshAdapters(config, { rank: 2, alpha: 4, seed: 5 })
    const linear = ['attn.q', 'attn.k', 'attn.v', 'attn.o', ...(config.gated === false ? [] : ['mlp.gate']), 'mlp.up', 'mlp.down']
    const paths = Array.from({ length: config.layers }, (_, i) => linear.map((path) => `blocks.${i}.${path}`)).flat()
    expect(Object.keys(fresh.layers).sort()).toEqual(paths.sort())
    const layers = Object.fromEntries(
      Object.entries(fresh.layers).map(([path, { a, b }]) => [
        path,
        {
          a,
          b: tensor(
            b.data.map((_, i) => Math.sin(i) / 3),
            b.shape,
          ),
        },
      ]),
    )
    const adapters = { ...fresh, layers }
    const trees = tokens.map((row) => textTree(row))
    const plain = await scoreTrees(await openPolicy(engine, checkpoint), trees)
    const adapted = await scoreTrees(await openPolicy(engine, checkpoint, adapters), trees)
    const merged = await scoreTrees(await openPolicy(engine, { config, params: mergeAdapters(params, adapters) }), trees)
    expectClose(adapted, merged, tolerances.families, 'logps')
    for (const [i, logp] of plain.entries()) expect(Math.abs(logp - adapted[i]!)).toBeGreaterThan(0.1)
  })

  it('config: what is written is read again, in both spellings', () => {
    const written = JSON.parse(JSON.stringify(writeConfig(config)))
    expect(written.architectures).toEqual(json.architectures)
    expect(readConfig('config.json', written)).toEqual(config)
    expect(readConfig('config.json', json)).toEqual(config)
    expect(Object.keys(written)).not.toContain('rope_parameters')
  })

  it('saves every tensor under its own name, bit for bit', async () => {
    await saveCheckpoint(join(root, name), checkpoint)
    const [saved, original] = await Promise.all([join(root, name), folder].map((at) => readSafetensors(join(at, 'model.safetensors'))))
    expect([...saved!.keys()].sort()).toEqual([...original!.keys()].sort())
    for (const [key, want] of original!) expect(saved!.get(key), key).toEqual(want)
    const text = readFileSync(join(root, name, 'config.json'), 'utf8')
    expect(text, 'transformers wants a point in what is a float').not.toMatch(/(softcapping|theta|factor|eps|epsilon)": \d+[,\s]/)
    const again = await loadCheckpoint(join(root, name))
    expect(again.config).toEqual(config)
    expect(again.params).toEqual(params)
  })

  it('takes tensors without the name of the model around them, as older files have them', async () => {
    const copy = join(root, `${name}-bare`)
    cpSync(folder, copy, { recursive: true })
    const { base } = families[name]!
    const bare = [...(await readSafetensors(join(folder, 'model.safetensors')))].map(
      ([key, value]) => [key.startsWith(base) ? key.slice(base.length) : key, value] as const,
    )
    await writeSafetensors(join(copy, 'model.safetensors'), bare)
    expect((await loadCheckpoint(copy)).params).toEqual(params)
  })

  it.each<[string, (tensors: Map<string, Tensor>, stored: string) => void, string]>([
    ['a missing tensor', (t, stored) => t.delete(stored), 'must be there, got no such tensor; is config.json of another model?'],
    ['a tensor too many', (t, stored) => t.set(`${stored}.more`, t.get(stored)!), `must belong to a ${name} of 2 layers, got`],
    [
      'a tensor of another shape',
      (t, stored) => t.set(stored, { ...t.get(stored)!, shape: [1, ...t.get(stored)!.shape] }),
      'by config.json, got f32[1, ',
    ],
  ])('refuses %s in one line', async (_, spoil, says) => {
    const copy = join(root, `${name}-spoilt`)
    cpSync(folder, copy, { recursive: true })
    const tensors = await readSafetensors(join(folder, 'model.safetensors'))
    const stored = fileTensors(config).find(({ name: at }) => at.includes('1.') && at.includes('weight'))!.name
    spoil(tensors, stored)
    await writeSafetensors(join(copy, 'model.safetensors'), tensors)
    const refused = loadCheckpoint(copy)
    await expect(refused).rejects.toThrow(UserError)
    await expect(refused).rejects.toThrow(says)
    await expect(refused).rejects.toThrow(/^[^\n]*$/)
    writeFileSync(join(copy, 'config.json'), JSON.stringify({ ...json, model_type: 'mamba' }))
    await expect(loadCheckpoint(copy)).rejects.toThrow(`model_type must be one of ${Object.keys(families).join(', ')}, got "mamba"; choose`)
  })
})
