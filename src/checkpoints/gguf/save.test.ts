import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gguf } from '@huggingface/gguf'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isTensor, leaves, type Nested, type Tensor } from '../../graph/index.ts'
import { loadCheckpoint, saveCheckpoint } from '../checkpoint.ts'
import { encodings } from '../encode.ts'
import { readSafetensors } from '../safetensors.ts'
import { fromPairs, toPairs } from './layouts.ts'
import { ggmlTypes } from './quants.ts'
import { saveGguf } from './save.ts'
import { writeGgufTokenizer } from './write-tokenizer.ts'

const fixture = (path: string) => fileURLToPath(new URL(`../../../fixtures/${path}`, import.meta.url))
const root = mkdtempSync(join(tmpdir(), 'innate-save-gguf-'))
const cache = process.env.INNATE_CACHE
beforeAll(() => {
  process.env.INNATE_CACHE = join(root, 'cache')
})
afterAll(() => {
  if (cache === undefined) delete process.env.INNATE_CACHE
  else process.env.INNATE_CACHE = cache
  rmSync(root, { recursive: true })
})
const weightsOf = (params: Nested<Tensor>) => leaves(params, isTensor)

describe('encodings', async () => {
  const given = (await readSafetensors(fixture('gguf-quants/golden.safetensors'))).get('given')!.data as Float32Array
  const { made } = JSON.parse(readFileSync(fixture('gguf-quants/golden.json'), 'utf8')) as { made: Record<string, string> }

  it.each(Object.keys(made))('%s, to the last bit what Python gguf writes', (name) => {
    const { weights, bytes, encode } = encodings[name as keyof typeof encodings]
    const out = new Uint8Array((given.length / weights) * bytes)
    encode(given, 0, given.length, out)
    expect(Buffer.from(out).toString('hex')).toBe(made[name])
  })
})

describe('saveGguf', async () => {
  const checkpoint = await loadCheckpoint(fixture('llama-tiny'))
  const file = join(root, 'tiny.gguf')

  it.each(['f16', 'q8_0', 'q4_0'] as const)(
    '%s is read again: config, ids, and the weights as far as the type holds them',
    async (type) => {
      await saveGguf(file, checkpoint, { type })
      const back = await loadCheckpoint(file)
      expect({ ...back.config }).toEqual({ ...checkpoint.config })
      expect(back.eosIds).toEqual(checkpoint.eosIds)
      for (const text of ["the cat's 12 hats", '  a\n\nb 🙂', ''])
        expect(back.tokenizer.encode(text)).toEqual(checkpoint.tokenizer.encode(text))
      const want = new Map(weightsOf(checkpoint.params))
      for (const [path, { data, shape }] of weightsOf(back.params)) {
        const { weights, bytes, encode } =
          encodings[shape.length === 1 ? 'F32' : ({ f16: 'F16', q8_0: 'Q8_0', q4_0: 'Q4_0' } as const)[type]]
        const tensor = want.get(path)!.data as Float32Array
        const stored = new Uint8Array((tensor.length / weights) * bytes)
        encode(tensor, 0, tensor.length, stored)
        const kept = new Float32Array(tensor.length)
        ggmlTypes[shape.length === 1 ? 'F32' : ({ f16: 'F16', q8_0: 'Q8_0', q4_0: 'Q4_0' } as const)[type]]!.dequantize(
          stored,
          tensor.length / weights,
          kept,
          0,
        )
        expect(data, path).toEqual(kept)
      }
    },
  )

  it('is what @huggingface/gguf reads', async () => {
    await saveGguf(file, checkpoint, { type: 'q8_0' })
    const { metadata, tensorInfos } = await gguf(file, { allowLocalFile: true })
    expect(metadata).toMatchObject({
      version: 3,
      'general.architecture': 'llama',
      'general.file_type': 7,
      'llama.embedding_length': 64,
      'tokenizer.ggml.add_bos_token': true,
      'tokenizer.ggml.bos_token_id': 1,
    })
    expect(tensorInfos.map(({ name }) => name)).toContain('blk.1.attn_k.weight')
    expect(tensorInfos.find(({ name }) => name === 'token_embd.weight')).toMatchObject({ shape: [64n, 320n], dtype: 8 })
  })

  it('leaves the model that it saves as it was', async () => {
    const before = weightsOf(checkpoint.params).map(([, { data }]) => data.slice())
    await saveGguf(file, checkpoint)
    expect(weightsOf(checkpoint.params).map(([, { data }]) => data)).toEqual(before)
  })

  it('writes a tokenizer with merges by score for SentencePiece', async () => {
    const told = JSON.parse(readFileSync(fixture('sentencepiece-tiny/golden.json'), 'utf8'))
    const { readGgufTokenizer } = await import('./tokenizer.ts')
    const lists = (more: object) => new Map(Object.entries(more)) as never
    const json = readGgufTokenizer(
      'f',
      lists({
        'tokenizer.ggml.model': 'llama',
        'tokenizer.ggml.tokens': told.tokens,
        'tokenizer.ggml.scores': told.scores,
        'tokenizer.ggml.token_type': told.token_type,
        'tokenizer.ggml.bos_token_id': 1,
        'tokenizer.ggml.unknown_token_id': 0,
      }),
    ).tokenizer
    const written = writeGgufTokenizer('f', JSON.parse(JSON.stringify(json)), told.tokens.length + 3)
    const again = readGgufTokenizer(
      'f',
      lists(Object.fromEntries([...written].map(([key, value]) => [key, Object.values(value)[0]]))),
    ).tokenizer
    expect((again as { model: { merges: string[] } }).model.merges).toEqual((json as { model: { merges: string[] } }).model.merges)
    expect(written.get('tokenizer.ggml.token_type')).toEqual({ i32s: [...told.token_type, 5, 5, 5] })
  })

  it('puts a space in front where Metaspace does, as transformers 5 saves it', () => {
    const json = {
      added_tokens: [],
      normalizer: null,
      post_processor: null,
      model: { type: 'BPE', byte_fallback: true, vocab: { '▁': 0 }, merges: [] },
    }
    const flag = (pre_tokenizer: object | null, normalizer: object | null = null) =>
      writeGgufTokenizer('t.json', { ...json, pre_tokenizer, normalizer }, 1).get('tokenizer.ggml.add_space_prefix')
    const metaspace = (prepend_scheme: string) => ({ type: 'Metaspace', replacement: '▁', prepend_scheme, split: false })
    expect(flag(metaspace('first'))).toEqual({ flag: true })
    expect(flag(metaspace('always'))).toEqual({ flag: true })
    expect(flag(metaspace('never'))).toEqual({ flag: false })
    expect(flag(null, { type: 'Prepend', prepend: '▁' })).toEqual({ flag: true })
    expect(flag(null)).toEqual({ flag: false })
    expect(() => flag({ type: 'Whitespace' })).toThrow('t.json: the pre-tokenizer of a SentencePiece must be none or Metaspace')
  })

  it('names the token that begins a text though none is put there, and writes the template that goes first', async () => {
    const folder = join(root, 'begin')
    cpSync(checkpoint.folder, folder, { recursive: true })
    const put = (name: string, json: object | string) =>
      writeFileSync(join(folder, name), typeof json === 'string' ? json : JSON.stringify(json))
    const tokenizer = JSON.parse(readFileSync(join(folder, 'tokenizer.json'), 'utf8'))
    put('tokenizer.json', { ...tokenizer, post_processor: null })
    put('tokenizer_config.json', { bos_token: '<s>', pad_token: '<pad>', chat_template: 'old' })
    put('chat_template.jinja', '{{ bos_token }}new')
    await saveGguf(file, await loadCheckpoint(folder))
    const { metadata } = await gguf(file, { allowLocalFile: true })
    expect(metadata).toMatchObject({
      'tokenizer.ggml.add_bos_token': false,
      'tokenizer.ggml.bos_token_id': tokenizer.model.vocab['<s>'],
      'tokenizer.ggml.padding_token_id': tokenizer.model.vocab['<pad>'],
      'tokenizer.chat_template': '{{ bos_token }}new',
    })
  })

  it('refuses a tokenizer that llama.cpp does not know', async () => {
    const json = JSON.parse(readFileSync(fixture('llama-tiny/tokenizer.json'), 'utf8'))
    const other = { ...json, pre_tokenizer: { type: 'Whitespace' } }
    expect(() => writeGgufTokenizer('t.json', other, 320)).toThrow('t.json: the pre-tokenizer must be that of gpt-2')
    expect(() => writeGgufTokenizer('t.json', json, 300)).toThrow('ids must be below the 300 rows of the embedding')
  })
})

describe('layouts', () => {
  it('pairs to halves and back', () => {
    const given = { dtype: 'f32' as const, shape: [12, 2], data: Float32Array.from({ length: 24 }, (_, i) => i) }
    const back = toPairs(fromPairs({ ...given, data: given.data.slice() }, 2, 'f'), 2)
    expect(back.data).toEqual(given.data)
  })
})

describe('saveCheckpoint', async () => {
  const checkpoint = await loadCheckpoint(fixture('llama-tiny'))
  const folder = join(root, 'sharded')

  it('writes shards of two-byte weights, and one file again in their place', async () => {
    await saveCheckpoint(folder, checkpoint, undefined, { dtype: 'bf16', maxShardBytes: 50_000 })
    const index = JSON.parse(readFileSync(join(folder, 'model.safetensors.index.json'), 'utf8'))
    const total = weightsOf(checkpoint.params).reduce((sum, [, { data }]) => sum + 2 * data.length, 0)
    expect(index.metadata.total_size).toBe(total)
    expect(new Set(Object.values(index.weight_map)).size).toBeGreaterThan(2)
    expect(JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')).torch_dtype).toBe('bfloat16')
    const sharded = new Map(weightsOf((await loadCheckpoint(folder)).params))
    await saveCheckpoint(folder, checkpoint, undefined, { dtype: 'bf16' })
    for (const [path, { data }] of weightsOf((await loadCheckpoint(folder)).params)) {
      expect(sharded.get(path)!.data, path).toEqual(data)
      const exact = new Map(weightsOf(checkpoint.params)).get(path)!.data
      expect(data.every((x, i) => Math.abs(x - exact[i]!) <= Math.abs(exact[i]!) / 256)).toBe(true)
    }
    await saveCheckpoint(folder, checkpoint, undefined, { maxShardBytes: 100_000 })
    expect((await loadCheckpoint(folder)).params).toEqual(checkpoint.params)
  })
})
