import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { Tensor } from '../../graph/tensor.ts'
import { readConfig } from '../../models/config.ts'
import { frequency } from '../../models/rotary.ts'
import { readGguf } from './read.ts'
import { type Planned, type Typed, writeGguf } from './write.ts'

const root = mkdtempSync(join(tmpdir(), 'innate-read-gguf-'))
afterAll(() => rmSync(root, { recursive: true }))
const usual: Record<string, Typed> = {
  'general.architecture': { text: 'llama' },
  'llama.context_length': { u32: 256 },
  'llama.embedding_length': { u32: 32 },
  'llama.block_count': { u32: 1 },
  'llama.feed_forward_length': { u32: 32 },
  'llama.attention.head_count': { u32: 4 },
  'llama.rope.dimension_count': { u32: 8 },
  'llama.attention.layer_norm_rms_epsilon': { f32: 1e-5 },
  'tokenizer.ggml.model': { text: 'gpt2' },
  'tokenizer.ggml.pre': { text: 'gpt-2' },
  'tokenizer.ggml.tokens': { texts: ['a', 'b', 'c'] },
  'tokenizer.ggml.eos_token_id': { u32: 0 },
}
const planned = (name: string, data: readonly number[], shape: readonly number[] = [data.length]): Planned => ({
  ...{ name: `${name}.weight`, type: 'F32', shape },
  read: (): Tensor => ({ dtype: 'f32', shape, data: Float32Array.from(data) }),
})
const norm = planned('output_norm', Array(32).fill(1))
const block = (i: number) => planned(`blk.${i}.attn_norm`, Array(32).fill(i))

async function written(name: string, change: Record<string, Typed>, tensors: readonly Planned[] = [norm, block(0)]): Promise<string> {
  const file = join(root, name)
  await writeGguf(file, new Map(Object.entries({ ...usual, ...change })), tensors)
  return file
}

const angles = async (file: string) => {
  const { files } = await readGguf(file)
  const { ropeTheta, ropeScaling } = readConfig('config.json', { ...files['config.json'], vocab_size: 3 })
  return { scaling: ropeScaling, all: [0, 1, 2, 3].map((i) => frequency(i, 8, ropeTheta!, ropeScaling)) }
}

describe('rotary angles of a GGUF file', () => {
  // llama.cpp: θ_i = base^(−2i/d) / factor_i.
  it.each<[string, number[], number | undefined]>([
    ['one factor between: llama3 with an original context of 64', [1, 7.667385101318359, 8, 8], 64],
    ['two between', [1, 1.25, 4, 8], undefined],
    ['none between', [1, 1, 8, 8], undefined],
    ['all stretched', [4, 4, 4, 4], undefined],
    ['none stretched', [1, 1, 1, 1], undefined],
  ])('rope_freqs.weight, %s', async (name, factors, original) => {
    const plain = factors.map((_, i) => 10_000 ** (-i / 4))
    // Llama 3's formula with other settings than those of its releases: between 1 and 20 turns of an original context of 1000.
    const kept = plain.map((p) => Math.min(Math.max(((1000 * p) / (2 * Math.PI) - 1) / 19, 0), 1))
    const given = name === 'two between' ? kept.map((k) => 1 / (k + (1 - k) / 8)) : factors
    const { scaling, all } = await angles(await written('freqs.gguf', {}, [norm, block(0), planned('rope_freqs', given)]))
    for (const [i, angle] of all.entries()) expect(angle * given[i]!).toBeCloseTo(plain[i]!, 5)
    if (original) expect(scaling).toEqual({ kind: 'llama3', factor: 8, low: 1, high: 4, original })
  })

  it('refuses factors that llama3 does not make, and of another number', async () => {
    const factors = (list: number[]) => written('freqs.gguf', {}, [norm, block(0), planned('rope_freqs', list)])
    await expect(readGguf(await factors([1, 2, 3, 4]))).rejects.toThrow(
      'rope_freqs.weight must be what llama3 makes of some original context',
    )
    await expect(readGguf(await factors([1, 2]))).rejects.toThrow('rope_freqs.weight must have 4 factors')
  })

  const yarn = {
    'llama.rope.scaling.type': { text: 'yarn' },
    'llama.rope.scaling.factor': { f32: 4 },
    'llama.rope.scaling.original_context_length': { u32: 64 },
  }
  it('yarn: attn_factor times the usual factor of cosine and sine, and its bounds', async () => {
    const { scaling } = await angles(
      await written('yarn.gguf', {
        ...yarn,
        'llama.rope.scaling.attn_factor': { f32: 1.3 },
        'llama.rope.scaling.yarn_beta_fast': { f32: 16 },
      }),
    )
    const attention = 1.3 * (0.1 * Math.log(4) + 1)
    expect(scaling).toEqual({ kind: 'yarn', factor: 4, fast: 16, slow: 1, original: 64, attention, whole: true })
    expect((await angles(await written('yarn.gguf', yarn))).scaling).toMatchObject({ attention: 0.1 * Math.log(4) + 1 })
  })

  it('a factor without a type is linear', async () => {
    const linear = { kind: 'linear', factor: 2 }
    expect((await angles(await written('l.gguf', { 'llama.rope.scaling.factor': { f32: 2 } }))).scaling).toEqual(linear)
    expect((await angles(await written('l.gguf', { 'llama.rope.scale_linear': { f32: 2 } }))).scaling).toEqual(linear)
    const none = { 'llama.rope.scaling.factor': { f32: 2 }, 'llama.rope.scaling.type': { text: 'none' } }
    expect((await angles(await written('l.gguf', none))).scaling).toBeUndefined()
  })

  it.each<[string, Record<string, Typed>, string]>([
    [
      'attn_factor without yarn',
      { 'llama.rope.scaling.attn_factor': { f32: 2 } },
      'attn_factor must be 1 where rope.scaling.type is not yarn, got 2',
    ],
    [
      'a factor of yarn that config.json has no word for',
      { ...yarn, 'llama.rope.scaling.yarn_log_multiplier': { f32: 0.5 } },
      'yarn_log_multiplier must be 0, got 0.5',
    ],
    ['a part of each head', { 'llama.attention.key_length': { u32: 16 } }, 'rope.dimension_count must be the 16 numbers of a head, got 8'],
    [
      'a key that nobody reads',
      { 'llama.attention.scale': { f32: 0.5 } },
      'llama.attention.scale must be off, since it is not known here, got 0.5',
    ],
    [
      'more blocks than lie there',
      { 'llama.block_count': { u32: 536_870_914 } },
      'block_count must be the 1 blocks that have tensors, got 536870914',
    ],
  ])('refuses %s', async (_, change, says) => {
    await expect(readGguf(await written('r.gguf', change))).rejects.toThrow(says)
  })

  it('takes keys that are off', async () => {
    await readGguf(await written('off.gguf', { 'llama.expert_count': { u32: 0 }, 'llama.vocab_size': { u32: 3 } }))
  })
})

describe('a split GGUF file', () => {
  const split = (no: number, count = 2, tensors = 3): Record<string, Typed> => ({
    'split.no': { u32: no },
    'split.count': { u32: count },
    'split.tensors.count': { u32: tensors },
  })
  const two = { 'llama.block_count': { u32: 2 } }

  it('is read from its first part', async () => {
    const file = await written('m-00001-of-00002.gguf', { ...two, ...split(0) }, [norm, block(0)])
    await expect(readGguf(file)).rejects.toThrow('m-00002-of-00002.gguf: must be a readable GGUF file, got ENOENT')
    await writeGguf(join(root, 'm-00002-of-00002.gguf'), new Map(Object.entries(split(1))), [block(1)])
    const { tensors, hash } = await readGguf(file)
    expect([...tensors.keys()]).toEqual([
      'model.norm.weight',
      'model.layers.0.input_layernorm.weight',
      'model.layers.1.input_layernorm.weight',
    ])
    expect(tensors.get('model.layers.1.input_layernorm.weight')!.data[0]).toBe(1)
    expect(hash).not.toBe((await readGguf(await written('one.gguf', two, [norm, block(0), block(1)]))).hash)
  })

  it.each<[string, () => Promise<string>, string]>([
    ['a later part', async () => join(root, 'm-00002-of-00002.gguf'), 'must be the first of the parts of a model, got 1'],
    ['another name', () => written('m.gguf', { ...two, ...split(0) }), 'must end in -00001-of-00002.gguf'],
    [
      'a part of another split',
      async () => {
        await written('m-00002-of-00003.gguf', split(1, 2))
        return written('m-00001-of-00003.gguf', { ...two, ...split(0, 3) })
      },
      'split.count must be 3, got 2',
    ],
    [
      'tensors that are missing',
      () => written('m-00001-of-00002.gguf', { ...two, ...split(0, 2, 9) }),
      'split.tensors.count must be the 3 tensors of its parts, got 9',
    ],
  ])('refuses %s', async (_, make, says) => {
    await expect(readGguf(await make())).rejects.toThrow(says)
  })
})
