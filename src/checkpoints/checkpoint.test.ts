import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { UserError } from '../graph/errors.ts'
import { sizeOf, type Tensor, zeros } from '../graph/tensor.ts'
import type { DecoderConfig } from '../models/config.ts'
import { decoderParams } from '../models/params.ts'
import { addedToken } from '../text/sentencepiece.ts'
import { loadCheckpoint, saveCheckpoint } from './checkpoint.ts'
import { readSafetensors } from './safetensors.ts'
import { writeSafetensors } from './write-safetensors.ts'

const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url))
const tied = await loadCheckpoint(fixture('llama-tiny'))
const untied = await loadCheckpoint(fixture('llama-tiny-untied'))
const root = mkdtempSync(join(tmpdir(), 'innate-checkpoint-'))
const folder = join(root, 'model')
const weights = join(folder, 'model.safetensors')
const jsonOf = (path: string) => JSON.parse(readFileSync(path, 'utf8'))
afterAll(() => rmSync(root, { recursive: true }))
beforeEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

describe('loadCheckpoint', () => {
  it('reads what transformers saved', () => {
    const bytes = readFileSync(join(fixture('llama-tiny'), 'model.safetensors'))
    expect(tied).toMatchObject({ name: 'llama-tiny', eosIds: [1], config: { vocabSize: 320, kvHeads: 2, headDim: 16, tied: true } })
    expect(tied.hash).toBe(createHash('sha256').update(bytes).digest('hex'))
    expect(tied.params.head).toBeUndefined()
    expect(tied.params.blocks[1]!.attn.k.shape).toEqual([32, 64])
    expect(untied.params.head!.shape).toEqual([264, 32])
  })

  it('reads shards, whatever their order in the index', async () => {
    cpSync(tied.folder, folder, { recursive: true })
    const all = [...(await readSafetensors(weights))]
    const shards = { 'model-00002-of-00002.safetensors': all.slice(0, 5), 'model-00001-of-00002.safetensors': all.slice(5) }
    const map: Record<string, string> = {}
    for (const [file, tensors] of Object.entries(shards)) {
      await writeSafetensors(join(folder, file), tensors)
      for (const [name] of tensors) map[name] = file
    }
    writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ metadata: {}, weight_map: map }))
    rmSync(weights)
    expect((await loadCheckpoint(folder)).params).toEqual(tied.params)
    writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: { x: '../model.safetensors' } }))
    await expect(loadCheckpoint(folder)).rejects.toThrow('weight_map.x: must be the name of a safetensors file in the same folder')
  })

  it('takes tensors that say nothing new: rotary tables, and a tied head written out', async () => {
    cpSync(tied.folder, folder, { recursive: true })
    const all = await readSafetensors(weights)
    const embed = all.get('model.embed_tokens.weight')!
    all.set('model.layers.0.self_attn.rotary_emb.inv_freq', zeros([8])).set('lm_head.weight', embed)
    await writeSafetensors(weights, all)
    expect((await loadCheckpoint(folder)).params).toEqual(tied.params)
    await writeSafetensors(weights, all.set('lm_head.weight', zeros([2, 2])))
    await expect(loadCheckpoint(folder)).rejects.toThrow('got lm_head.weight too')
  })

  it('takes a head that is not the embedding for what it is, whatever config.json says of tying, as transformers does', async () => {
    cpSync(tied.folder, folder, { recursive: true })
    const all = await readSafetensors(weights)
    const head = zeros(all.get('model.embed_tokens.weight')!.shape)
    await writeSafetensors(weights, all.set('lm_head.weight', head))
    const { config, params } = await loadCheckpoint(folder)
    expect(config).toEqual({ ...tied.config, tied: false })
    expect(params.head).toEqual(head)
  })

  it('reads buffers of other types that say nothing, and weights in F64', async () => {
    cpSync(tied.folder, folder, { recursive: true })
    const all = await readSafetensors(weights)
    const typed: [string, string, readonly number[], Uint8Array][] = [...all].map(([name, { shape, data }]) => [
      name,
      'F64',
      shape,
      new Uint8Array(Float64Array.from(data).buffer),
    ])
    typed.push(['model.layers.0.self_attn.rotary_emb.inv_freq', 'I64', [2], new Uint8Array(BigInt64Array.of(-1n, 5n).buffer)])
    writeFileSync(weights, safetensorsOf(typed))
    expect((await loadCheckpoint(folder)).params).toEqual(tied.params)
  })

  it('takes added tokens beyond the embedding, and refuses a text with one of them', async () => {
    cpSync(tied.folder, folder, { recursive: true })
    edit('tokenizer.json', (json) => (json.added_tokens as object[]).push(addedToken('<image>', 320, true)))()
    const { tokenizer } = await loadCheckpoint(folder)
    expect(tokenizer.vocabSize).toBe(320)
    expect(tokenizer.encode('the cat')).toEqual(tied.tokenizer.encode('the cat'))
    expect(() => tokenizer.encode('a <image>')).toThrow(
      'text: every token must have one of the 320 rows of the embedding, got <image> with the id 320; take it out of the text',
    )
  })

  const edit = (name: string, change: (json: Record<string, unknown>) => void) => () => {
    const json = jsonOf(join(folder, name))
    change(json)
    writeFileSync(join(folder, name), JSON.stringify(json))
  }
  const rewrite = (change: (tensors: Map<string, Tensor>) => void) => async () => {
    const tensors = await readSafetensors(weights)
    change(tensors)
    await writeSafetensors(weights, tensors)
  }
  const remove = (name: string) => () => rmSync(join(folder, name))
  it.each<[string, () => void | Promise<void>, string]>([
    ['a missing config', remove('config.json'), 'config.json: must be a readable file, got ENOENT; a model folder holds config.json'],
    ['missing weights', remove('model.safetensors'), 'model.safetensors: must be a readable safetensors file, got ENOENT'],
    [
      'weights of another format',
      () => {
        mkdirSync(join(folder, 'onnx'))
        renameSync(join(folder, 'model.safetensors'), join(folder, 'onnx', 'model.onnx'))
      },
      'model.safetensors: weights must be safetensors or GGUF, got onnx/model.onnx alone',
    ],
    ['a missing tokenizer', remove('tokenizer.json'), 'tokenizer.json: must be a readable file, got ENOENT'],
    ['weights cut short', () => truncateSync(weights, 200_000), 'the file is cut short; download or save the file again'],
    [
      'a missing tensor',
      rewrite((t) => t.delete('model.norm.weight')),
      'model.norm.weight must be there, got no such tensor; is config.json of another model?',
    ],
    [
      'a tensor too many',
      rewrite((t) => t.set('model.layers.2.mlp.bias', zeros([3]))),
      'must belong to a llama of 2 layers, got model.layers.2.mlp.bias too',
    ],
    [
      'a tensor of another shape',
      rewrite((t) => t.set('model.norm.weight', zeros([65]))),
      'model.norm.weight must be f32[64] by config.json, got f32[65]',
    ],
    [
      'whole numbers for weights',
      rewrite((t) => t.set('model.norm.weight', zeros([64], 'i32'))),
      'model.norm.weight must be f32[64] by config.json, got i32[64]',
    ],
    [
      'more layers than tensors',
      edit('config.json', (c) => (c.num_hidden_layers = 9000)),
      'model.safetensors: 9000 layers must have tensors, got 20 tensors in all',
    ],
    ['a tokenizer of another model', edit('config.json', (c) => (c.vocab_size = 32)), 'model.embed_tokens.weight must be f32[32, 64]'],
    [
      'no end token',
      () => {
        edit('config.json', (c) => delete c.eos_token_id)()
        remove('generation_config.json')()
      },
      'eos_token_id must say which token ends a text, got none; add it',
    ],
  ])('refuses %s', async (_, spoil, says) => {
    cpSync(tied.folder, folder, { recursive: true })
    await spoil()
    const refused = loadCheckpoint(folder)
    await expect(refused).rejects.toThrow(UserError)
    await expect(refused).rejects.toThrow(says)
    await expect(refused).rejects.toThrow(folder)
  })

  it('refuses a tokenizer with more ids than the embedding has rows', async () => {
    cpSync(untied.folder, folder, { recursive: true })
    cpSync(join(tied.folder, 'tokenizer.json'), join(folder, 'tokenizer.json'))
    await expect(loadCheckpoint(folder)).rejects.toThrow("the tokenizer's ids must fit the 264 rows of the embedding, got 320 ids")
  })

  it.each(['stories16m', 'fixtures/tinny', ''])('refuses the name %j and lists the choices', async (name) => {
    await expect(loadCheckpoint(name)).rejects.toThrow(
      `model: must be stories5m, stories15m or a folder, got ${JSON.stringify(name)}, which is neither`,
    )
  })

  it('reads every end token', async () => {
    cpSync(tied.folder, folder, { recursive: true })
    edit('generation_config.json', (c) => (c.eos_token_id = [1, 7]))()
    const checkpoint = await loadCheckpoint(folder)
    expect(checkpoint.eosIds).toEqual([1, 7])
    await saveCheckpoint(join(root, 'again'), checkpoint)
    expect((await loadCheckpoint(join(root, 'again'))).eosIds).toEqual([1, 7])
  })
})

function safetensorsOf(tensors: readonly [string, string, readonly number[], Uint8Array][]): Buffer {
  let end = 0
  const header = Object.fromEntries(
    tensors.map(([name, dtype, shape, { length }]) => [name, { dtype, shape, data_offsets: [end, (end += length)] }]),
  )
  const json = Buffer.from(JSON.stringify(header))
  const prefix = Buffer.alloc(8)
  prefix.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([prefix, json, ...tensors.map(([, , , bytes]) => bytes)])
}

const config: fc.Arbitrary<DecoderConfig> = fc
  .record({
    heads: fc.constantFrom(1, 2, 4),
    kvHeads: fc.constantFrom(1, 2, 4),
    layers: fc.integer({ min: 1, max: 3 }),
    tied: fc.boolean(),
  })
  .filter(({ heads, kvHeads }) => heads % kvHeads === 0)
  .map((shape) => ({
    ...{ family: 'llama' as const, vocabSize: 321, hiddenSize: 8, headDim: 6, intermediateSize: 5 },
    ...{ normEps: 1e-5, ropeTheta: 10_000, contextLength: 16 },
    ...shape,
  }))

describe('fresh parameters', () => {
  it('are refused where the memory cannot hold them', async () => {
    cpSync(tied.folder, folder, { recursive: true })
    const json = jsonOf(join(folder, 'config.json'))
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...json, intermediate_size: 2 ** 40 }))
    await expect(loadCheckpoint(folder, { fresh: 1 })).rejects.toThrow('fresh parameters must fit the memory of')
  })
})

describe('saveCheckpoint', () => {
  it('saves what loadCheckpoint reads, bit for bit', async () => {
    await fc.assert(
      fc.asyncProperty(config, fc.infiniteStream(fc.float()), async (given, numbers) => {
        const params = decoderParams(given, (_path, shape): Tensor => {
          const some = Float32Array.from({ length: 97 }, () => numbers.next().value as number)
          return { dtype: 'f32', shape, data: Float32Array.from({ length: sizeOf(shape) }, (_, i) => some[i % 97]!) }
        })
        rmSync(folder, { recursive: true, force: true })
        await saveCheckpoint(folder, { ...tied, config: given }, params)
        const back = await loadCheckpoint(folder)
        expect({ config: back.config, params: back.params, eosIds: back.eosIds }).toEqual({ config: given, params, eosIds: [1] })
        expect(back.tokenizer.encode('the cat')).toEqual(tied.tokenizer.encode('the cat'))
      }),
      { numRuns: 20 },
    )
  })

  it('keeps what it does not know, writes f32 and the end token in both configs', async () => {
    await saveCheckpoint(folder, untied)
    expect(readdirSync(folder).sort()).toEqual(
      readdirSync(untied.folder)
        .filter((n) => !n.startsWith('golden'))
        .sort(),
    )
    expect(jsonOf(join(folder, 'config.json'))).toMatchObject({
      initializer_range: 0.02, bos_token_id: 1, eos_token_id: 1, torch_dtype: 'float32', rope_theta: 10000,
    }) // biome-ignore format: the fields at a glance
    expect(jsonOf(join(folder, 'generation_config.json'))).toMatchObject({ bos_token_id: 1, eos_token_id: 1, pad_token_id: 0 })
    expect(readFileSync(join(folder, 'tokenizer.json'))).toEqual(readFileSync(join(untied.folder, 'tokenizer.json')))
  })

  it('saves onto itself, and leaves other files in the folder alone', async () => {
    await saveCheckpoint(folder, untied)
    writeFileSync(join(folder, 'notes.txt'), 'mine')
    const there = await loadCheckpoint(folder)
    await saveCheckpoint(folder, there, { ...there.params, norm: zeros([32]) })
    expect((await loadCheckpoint(folder)).params).toEqual({ ...untied.params, norm: zeros([32]) })
    expect(readFileSync(join(folder, 'notes.txt'), 'utf8')).toBe('mine')
    expect(readdirSync(root).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })

  it('leaves nothing behind when it cannot finish', async () => {
    await expect(saveCheckpoint(folder, { ...untied, folder: join(root, 'gone') })).rejects.toThrow(
      'the tokenizer must still lie where the model was loaded from, got no such file; put it back',
    )
    expect(existsSync(folder)).toBe(false)
    writeFileSync(join(root, 'file'), '')
    await expect(saveCheckpoint(join(root, 'file', 'model'), untied)).rejects.toThrow(UserError)
    expect(readdirSync(root).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })
})
