import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gguf } from '@huggingface/gguf'
import { afterAll, describe, expect, it } from 'vitest'
import { ggmlById, ggmlTypes } from '../src/checkpoints/gguf/quants.ts'
import { readGguf } from '../src/checkpoints/gguf/read.ts'
import { type Planned, writeGguf } from '../src/checkpoints/gguf/write.ts'
import { readSafetensors } from '../src/checkpoints/safetensors.ts'
import { writeSafetensors } from '../src/checkpoints/write-safetensors.ts'
import { UserError } from '../src/graph/errors.ts'
import type { Tensor } from '../src/graph/tensor.ts'
import { readConfig } from '../src/models/config.ts'
import { loadTokenizer } from '../src/text/tokenizer.ts'
import { choiceOf, spoilBytes, spoilJson } from './fuzz.ts'

// INNATE_FUZZ=100000 npm test -- test/fuzz.test.ts   reads so many spoilt inputs in all; INNATE_FUZZ_SEED others of them.
const inputs = Number(process.env.INNATE_FUZZ ?? 2000)
const seed = Number(process.env.INNATE_FUZZ_SEED ?? 7)
const each = Math.ceil(inputs / 4)
const timeout = 60_000 + 20 * inputs
const root = mkdtempSync(join(tmpdir(), 'innate-fuzz-'))
afterAll(() => rmSync(root, { recursive: true }))
const fixture = (path: string) => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url))

/**
 * Reads every spoilt input: it is refused by a UserError of one line, or what was read is what `check` finds in the file itself.
 * Returns how many were read, so that a test can see that both happen.
 */
async function readAll<T>(make: (i: number) => unknown, read: () => Promise<T> | T, check: (result: T) => Promise<void> | void) {
  const outcomes = { read: 0, refused: 0 }
  const before = process.resourceUsage().maxRSS
  for (let i = 0; i < each; i++) {
    const input = make(i)
    try {
      const result = await read()
      await check(result)
      outcomes.read++
    } catch (error) {
      if (!(error instanceof UserError)) throw new Error(`input ${i} of seed ${seed}: ${describeInput(input)}`, { cause: error })
      expect(error.message.split('\n').length, `input ${i} of seed ${seed}`).toBe(1)
      outcomes.refused++
    }
  }
  const grown = (process.resourceUsage().maxRSS - before) / 1024
  expect(grown, 'MiB that reading took at most').toBeLessThan(400)
  return outcomes
}

function describeInput(input: unknown): string {
  const text = typeof input === 'string' ? input : Buffer.from(input as Uint8Array).toString('latin1')
  return JSON.stringify(text.length > 300 ? `${text.slice(0, 300)}…` : text)
}

const bitsOf = ({ data }: Tensor) => Buffer.from(data.buffer, data.byteOffset, data.byteLength)

describe('spoilt inputs are refused in one line, or read as they are', () => {
  it('safetensors', { timeout }, async () => {
    const file = join(root, 'x.safetensors')
    const tensor = (shape: number[], from: number): Tensor => ({
      dtype: 'f32',
      shape,
      data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => from + i),
    })
    await writeSafetensors(file, [
      ['a.weight', tensor([2, 3], 1)],
      ['b.weight', tensor([4], 100)],
      ['c', { dtype: 'i32', shape: [2], data: Int32Array.of(7, 8) }],
    ])
    const good = readFileSync(file)
    const headerLength = Number(good.readBigUInt64LE(0))
    const make = (i: number) => {
      const choose = choiceOf(seed, i)
      let bytes: Buffer
      if (choose.below(2) === 0) bytes = spoilBytes(good, 8 + headerLength, choose)
      else {
        const header = Buffer.from(spoilJson(good.toString('utf8', 8, 8 + headerLength), choose))
        const length = Buffer.alloc(8)
        length.writeBigUInt64LE(BigInt(header.length))
        bytes = Buffer.concat([length, header, good.subarray(8 + headerLength)])
      }
      writeFileSync(file, bytes)
      return bytes
    }
    const outcomes = await readAll(
      make,
      () => readSafetensors(file),
      (tensors) => {
        const bytes = readFileSync(file)
        const start = 8 + Number(bytes.readBigUInt64LE(0))
        const { __metadata__: _, ...header } = JSON.parse(bytes.toString('utf8', 8, start))
        expect([...tensors.keys()].sort()).toEqual(Object.keys(header).sort())
        for (const [name, got] of tensors) {
          const { dtype, shape, data_offsets: at } = header[name]
          expect(got.shape).toEqual(shape)
          const stored = bytes.subarray(start + at[0], start + at[1])
          if (dtype === 'F32' || dtype === 'I32') expect(bitsOf(got).equals(stored)).toBe(true)
          else expect(2 * got.data.length).toBe(stored.length)
        }
      },
    )
    expect(outcomes.read * outcomes.refused).toBeGreaterThan(0)
  })

  it('GGUF', { timeout }, async () => {
    const file = join(root, 'x.gguf')
    await writeGguf(file, ggufMetadata, ggufTensors())
    const good = readFileSync(file)
    const { tensorDataOffset } = await gguf(file, { allowLocalFile: true })
    const make = (i: number) => {
      const bytes = spoilBytes(good, Number(tensorDataOffset), choiceOf(seed + 1, i))
      writeFileSync(file, bytes)
      return bytes
    }
    let compared = 0
    const outcomes = await readAll(
      make,
      () => readGguf(file),
      async ({ tensors }) => {
        // What another reader finds, of every eighth.
        if (compared++ % 8 > 0) return
        const bytes = readFileSync(file)
        const { tensorInfos, tensorDataOffset: start } = await gguf(file, { allowLocalFile: true })
        expect(tensors.size).toBe(tensorInfos.length)
        const embed = tensorInfos.find(({ name }) => name === 'token_embd.weight')
        const got = tensors.get('model.embed_tokens.weight')
        if (!embed || !got) return
        expect(got.shape).toEqual(embed.shape.map(Number).toReversed())
        const { weights, bytes: blockBytes, dequantize } = ggmlTypes[ggmlById.get(embed.dtype)!]!
        const from = Number(start + embed.offset)
        const want = new Float32Array(got.data.length)
        dequantize(bytes.subarray(from, from + (want.length / weights) * blockBytes), want.length / weights, want, 0)
        expect(bitsOf(got).equals(bitsOf({ ...got, data: want }))).toBe(true)
      },
    )
    expect(outcomes.read * outcomes.refused).toBeGreaterThan(0)
  })

  it('tokenizer.json', { timeout }, async () => {
    const whole = JSON.parse(readFileSync(fixture('llama-tiny/tokenizer.json'), 'utf8'))
    const good = JSON.stringify({ ...whole, model: { ...whole.model, merges: whole.model.merges.slice(0, 12) } })
    const make = (i: number) => {
      const text = spoilJson(good, choiceOf(seed + 2, i))
      writeFileSync(join(root, 'tokenizer.json'), text)
      return text
    }
    const outcomes = await readAll(
      make,
      () => loadTokenizer(root),
      (tokenizer) => expect(tokenizer.vocabSize).toBeGreaterThanOrEqual(0),
    )
    expect(outcomes.read * outcomes.refused).toBeGreaterThan(0)
  })

  it('config.json', { timeout }, async () => {
    const good = readFileSync(fixture('llama-tiny/config.json'), 'utf8')
    let text = ''
    const outcomes = await readAll(
      (i) => (text = spoilJson(good, choiceOf(seed + 3, i))),
      () => {
        let json: unknown
        try {
          json = JSON.parse(text)
        } catch {
          throw new UserError('config.json: must be JSON')
        }
        return readConfig('config.json', json)
      },
      (config) => {
        const json = JSON.parse(text)
        expect([config.hiddenSize, config.layers, config.vocabSize]).toEqual([json.hidden_size, json.num_hidden_layers, json.vocab_size])
        for (const size of [config.hiddenSize, config.layers, config.heads, config.kvHeads, config.headDim])
          expect(Number.isSafeInteger(size)).toBe(true)
      },
    )
    expect(outcomes.read * outcomes.refused).toBeGreaterThan(0)
  })
})

const tokens = ['<unk>', '<s>', '</s>', 'a', 'b', 'ab', 'c', '!']
const ggufMetadata = new Map(
  Object.entries({
    'general.architecture': { text: 'llama' },
    'llama.context_length': { u32: 16 },
    'llama.embedding_length': { u32: 32 },
    'llama.block_count': { u32: 1 },
    'llama.feed_forward_length': { u32: 32 },
    'llama.attention.head_count': { u32: 4 },
    'llama.attention.head_count_kv': { u32: 2 },
    'llama.attention.layer_norm_rms_epsilon': { f32: 1e-5 },
    'tokenizer.ggml.model': { text: 'gpt2' },
    'tokenizer.ggml.pre': { text: 'gpt-2' },
    'tokenizer.ggml.tokens': { texts: tokens },
    'tokenizer.ggml.token_type': { i32s: [2, 3, 3, 1, 1, 1, 1, 1] },
    'tokenizer.ggml.merges': { texts: ['a b'] },
    'tokenizer.ggml.eos_token_id': { u32: 2 },
  }),
)

function ggufTensors(): Planned[] {
  const planned = (name: string, type: Planned['type'], ...shape: number[]): Planned => ({
    name: `${name}.weight`,
    type,
    shape,
    read: () => ({ dtype: 'f32', shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i)) }),
  })
  return [
    planned('token_embd', 'F16', tokens.length, 32),
    planned('output_norm', 'F32', 32),
    planned('blk.0.attn_norm', 'F32', 32),
    planned('blk.0.attn_q', 'Q8_0', 32, 32),
    planned('blk.0.attn_k', 'Q8_0', 16, 32),
  ]
}
