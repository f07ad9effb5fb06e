import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gguf } from '@huggingface/gguf'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../../test/close.ts'
import { tolerances } from '../../../test/tolerances.ts'
import { openEngine } from '../../engine/index.ts'
import { UserError } from '../../graph/errors.ts'
import { graph, input, isTensor, leaves, tensor } from '../../graph/index.ts'
import { decoder } from '../../models/decoder.ts'
import { logits } from '../../models/head.ts'
import { byPath, paramInputs } from '../../models/params.ts'
import { loadTokenizer } from '../../text/tokenizer.ts'
import { loadCheckpoint } from '../checkpoint.ts'
import { readSafetensors } from '../safetensors.ts'
import { architectures, nameOf } from './architectures.ts'
import { fromPairs, regroupQkv, transpose } from './layouts.ts'
import { ggmlTypes } from './quants.ts'
import { readGguf } from './read.ts'
import { readGgufTokenizer } from './tokenizer.ts'

const fixture = (path: string) => fileURLToPath(new URL(`../../../fixtures/${path}`, import.meta.url))
const golden = (name: string) => JSON.parse(readFileSync(fixture(`${name}/golden.json`), 'utf8'))
const tiny = fixture('gguf-tiny/model.gguf')
const root = mkdtempSync(join(tmpdir(), 'innate-gguf-'))
const cache = process.env.INNATE_CACHE
beforeAll(() => {
  process.env.INNATE_CACHE = join(root, 'cache')
})
afterAll(() => {
  if (cache === undefined) delete process.env.INNATE_CACHE
  else process.env.INNATE_CACHE = cache
  rmSync(root, { recursive: true })
})

describe('dequantize', async () => {
  const numbers = await readSafetensors(fixture('gguf-quants/golden.safetensors'))
  const { blocks } = golden('gguf-quants') as { blocks: Record<string, string> }

  it.each(Object.keys(ggmlTypes).filter((name) => name !== 'F32'))('%s, to the last bit what Python gguf makes of it', (name) => {
    const raw = Buffer.from(blocks[name]!, 'hex')
    const { weights, bytes, dequantize } = ggmlTypes[name]!
    const want = numbers.get(name)!.data as Float32Array
    // Not at the start of a buffer, and not at the start of the tensor either.
    const apart = Buffer.concat([Buffer.alloc(3), raw]).subarray(3)
    const got = new Float32Array(want.length + weights)
    dequantize(apart, raw.length / bytes, got, weights)
    expect(got.subarray(weights)).toEqual(want)
    expect(got.subarray(0, weights).every((x) => x === 0)).toBe(true)
  })

  it('F32, as it lies there', () => {
    const given = Float32Array.of(1.5, -0, 3e38)
    const got = new Float32Array(4)
    ggmlTypes.F32!.dequantize(new Uint8Array(given.buffer), 3, got, 1)
    expect([...got]).toEqual([0, 1.5, -0, Math.fround(3e38)])
  })
})

describe('a GGUF file', () => {
  const want = golden('gguf-tiny') as { tokens: number[][]; texts: [string, number[]][]; sums: Record<string, number> }

  it('has the weights that transformers reads, heads turned back', async () => {
    const { tensors } = await readGguf(tiny)
    const some = await readSafetensors(fixture('gguf-tiny/golden.safetensors'))
    expect([...tensors.keys()].map((name) => `weight.${name}`).sort()).toEqual(Object.keys(want.sums).sort())
    for (const [name, { data, shape }] of tensors) {
      expect([...data].reduce((sum, x) => sum + x, 0)).toBeCloseTo(want.sums[`weight.${name}`]!, 9)
      const whole = some.get(`weight.${name}`)
      if (whole) expect({ data, shape }).toEqual({ data: whole.data, shape: whole.shape })
    }
  })

  it('has the logits and the ids that transformers has', async () => {
    const { config, params, tokenizer, eosIds, name } = await loadCheckpoint(tiny)
    expect({ name, eosIds, eps: config.normEps }).toEqual({ name: 'model', eosIds: [1], eps: 1e-5 })
    for (const [text, ids] of want.texts) expect(tokenizer.encode(text)).toEqual(ids)
    const ids = want.tokens[0]!
    const T = ids.length
    const engine = openEngine({ threads: 1 })
    try {
      const p = paramInputs(params, (path, shape) => input(`params.${path}`, shape))
      const rows = {
        tokens: input('tokens', [1, T], 'i32'),
        positions: input('positions', [1, T], 'i32'),
        mask: input('mask', [1, 1, T, T]),
      }
      const program = await engine.compile(graph({ ...byPath(p), ...rows }, { logits: logits(p, decoder(p, rows, config), config) }))
      const got = await program.run({
        ...Object.fromEntries(leaves(params, isTensor)),
        tokens: tensor(Int32Array.from(ids), [1, T]),
        positions: tensor(
          Int32Array.from(ids, (_, i) => i),
          [1, T],
        ),
        mask: tensor(
          Float32Array.from({ length: T * T }, (_, i) => (i % T <= Math.floor(i / T) ? 0 : -1e9)),
          [1, 1, T, T],
        ),
      })
      const { data } = (await readSafetensors(fixture('gguf-tiny/golden.safetensors'))).get('logits')!
      expectClose(got.logits!.data, data, tolerances.golden, 'logits')
    } finally {
      await engine.close()
    }
  })

  it('says what @huggingface/gguf says of its header', async () => {
    const { metadata, tensorInfos } = await gguf(tiny, { allowLocalFile: true })
    const { files } = await readGguf(tiny)
    expect(files['config.json']).toMatchObject({
      model_type: 'llama',
      hidden_size: metadata['llama.embedding_length' as never],
      num_hidden_layers: metadata['llama.block_count' as never],
      num_key_value_heads: metadata['llama.attention.head_count_kv' as never],
      tie_word_embeddings: !tensorInfos.some(({ name }) => name === 'output.weight'),
    })
    const { model } = files['tokenizer.json'] as { model: { vocab: Record<string, number>; merges: string[] } }
    expect(Object.entries(model.vocab).sort((a, b) => a[1] - b[1]).map(([text]) => text)).toEqual(metadata['tokenizer.ggml.tokens' as never]) // biome-ignore format: one line
    expect(model.merges).toEqual(metadata['tokenizer.ggml.merges' as never])
  })
})

describe('names', () => {
  const { about: _, ...families } = golden('gguf-families') as Record<string, Record<string, string>>

  it.each(Object.entries(families))('%s: every tensor is called as transformers calls it', (family, names) => {
    const got = Object.fromEntries(
      Object.keys(names).map((name) => [name, (nameOf(architectures[family]!, name) as { name: string })?.name]),
    )
    expect(got).toEqual(names)
  })

  it('has a table for every architecture that is read, and knows no name besides', () => {
    expect(Object.keys(families).sort()).toEqual(Object.keys(architectures).sort())
    for (const name of ['blk.0.attn_q.scale', 'blk.x.attn_q.weight', 'toString.weight', 'attn_q.weight', 'blk.0.token_embd.weight', ''])
      expect(nameOf(architectures.llama!, name)).toBeUndefined()
  })
})

describe('layouts', () => {
  const counted = (...shape: number[]) => ({
    dtype: 'f32' as const,
    shape,
    data: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => i),
  })

  it('turns pairs into halves, head by head', () => {
    expect([...fromPairs(counted(8), 2, 'f').data]).toEqual([0, 2, 1, 3, 4, 6, 5, 7])
    expect([...fromPairs(counted(4, 2), 1, 'f').data]).toEqual([0, 1, 4, 5, 2, 3, 6, 7])
  })

  it('regroups queries, keys and values by head, and transposes', () => {
    // Two heads of one row: q0 q1 k0 k1 v0 v1 → q0 k0 v0 q1 k1 v1.
    expect([...regroupQkv(counted(6), 2, 'f').data]).toEqual([0, 2, 4, 1, 3, 5])
    const turned = transpose(counted(2, 3))
    expect([turned.shape, [...turned.data]]).toEqual([[3, 2], [0, 3, 1, 4, 2, 5]]) // biome-ignore format: one line
  })

  it('refuses rows that do not split into heads', () => {
    expect(() => fromPairs(counted(6), 2, 'f.gguf')).toThrow('f.gguf: the 6 rows of queries and keys must split into 4 parts')
    expect(() => fromPairs(counted(6), 0, 'f.gguf')).toThrow(UserError)
  })
})

describe('tokenizers', () => {
  const told = golden('sentencepiece-tiny') as { tokens: string[]; scores: number[]; token_type: number[]; texts: [string, number[]][] }
  const metadata = (more: Record<string, unknown> = {}) =>
    new Map(
      Object.entries({
        'tokenizer.ggml.model': 'llama',
        'tokenizer.ggml.tokens': told.tokens,
        'tokenizer.ggml.scores': told.scores,
        'tokenizer.ggml.token_type': told.token_type,
        'tokenizer.ggml.bos_token_id': 1,
        'tokenizer.ggml.eos_token_id': 2,
        'tokenizer.ggml.unknown_token_id': 0,
        ...more,
      }),
    ) as never

  it("makes SentencePiece's merges of its scores", async () => {
    const folder = join(root, 'sentencepiece')
    cpSync(fixture('sentencepiece-tiny'), folder, { recursive: true })
    writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(readGgufTokenizer('f', metadata()).tokenizer))
    const tokenizer = await loadTokenizer(folder)
    for (const [text, ids] of told.texts) expect([text, tokenizer.encode(text)]).toEqual([text, [1, ...ids]])
    for (const [text] of told.texts) expect(tokenizer.decode(tokenizer.encode(text))).toBe(text)
  })

  it('ends a text where the file says, and where a chat turn ends', () => {
    const tokens = [...told.tokens, '<|im_end|>']
    const kinds = [...told.token_type, 3]
    const read = readGgufTokenizer(
      'f',
      metadata({
        'tokenizer.ggml.tokens': tokens,
        'tokenizer.ggml.token_type': kinds,
        'tokenizer.ggml.scores': tokens.map((_, i) => -i),
        'tokenizer.chat_template': '{{ messages }}',
      }),
    )
    expect(read['generation_config.json']).toEqual({ bos_token_id: 1, eos_token_id: [2, tokens.length - 1] })
    expect(read['tokenizer_config.json']).toMatchObject({ bos_token: '<s>', eos_token: '</s>', chat_template: '{{ messages }}' })
  })

  it('takes 2^32 − 1 for no token, and unused tokens without a text', () => {
    const tokens = ['a', 'b', 'ab', '', '']
    const told = (more: object) =>
      new Map(
        Object.entries({
          'tokenizer.ggml.model': 'gpt2',
          'tokenizer.ggml.pre': 'gpt-2',
          'tokenizer.ggml.tokens': tokens,
          'tokenizer.ggml.token_type': [1, 1, 1, 5, 5],
          'tokenizer.ggml.merges': ['a b', 'ab a'],
          'tokenizer.ggml.bos_token_id': 2 ** 32 - 1,
          'tokenizer.ggml.eos_token_id': 0,
          ...more,
        }),
      ) as never
    const read = readGgufTokenizer('f', told({}))
    expect(read['generation_config.json']).toEqual({ eos_token_id: 0 })
    expect(read.tokenizer.model).toMatchObject({ vocab: { a: 0, b: 1, ab: 2 }, merges: ['a b'] })
    expect(() => readGgufTokenizer('f', told({ 'tokenizer.ggml.token_type': [1, 1, 1, 1, 1] }))).toThrow('must all differ, got 1 twice')
  })

  it.each<[string, Record<string, unknown>, string]>([
    ['another model', { 'tokenizer.ggml.model': 'rwkv' }, 'model: Invalid option: expected one of "gpt2"|"llama"'],
    [
      'another pre-tokenizer',
      { 'tokenizer.ggml.model': 'gpt2', 'tokenizer.ggml.pre': 'klingon' },
      'tokenizer.ggml.pre must be one of gpt-2',
    ],
    ['scores of another vocabulary', { 'tokenizer.ggml.scores': [1] }, 'tokenizer.ggml.scores must have one entry per token, got 1 of 340'],
    ['an end token beyond the vocabulary', { 'tokenizer.ggml.eos_token_id': 340 }, 'eos_token_id must be one of 340 tokens, got 340'],
    ['tokens that are numbers', { 'tokenizer.ggml.tokens': [1, 2] }, 'tokens: expected a list of strings'],
    ['a token twice', { 'tokenizer.ggml.tokens': told.tokens.with(300, told.tokens[301]!) }, 'tokens must all differ, got 1 twice'],
    [
      'merges of nothing',
      { 'tokenizer.ggml.model': 'gpt2', 'tokenizer.ggml.pre': 'gpt-2', 'tokenizer.ggml.merges': ['q zzz'] },
      'merges.0 must join two tokens to a third, got "q zzz"',
    ],
  ])('refuses %s', (_, more, says) => {
    expect(() => readGgufTokenizer('f.gguf', metadata(more))).toThrow(UserError)
    expect(() => readGgufTokenizer('f.gguf', metadata(more))).toThrow(`f.gguf: `)
    expect(() => readGgufTokenizer('f.gguf', metadata(more))).toThrow(says)
  })
})
