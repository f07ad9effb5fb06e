import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { loadCheckpoint } from 'innate/checkpoints'
import type { Tensor } from 'innate/graph'
import { afterAll, describe, expect, it } from 'vitest'
import { convertLlama2c } from './llama2c.ts'

const folder = mkdtempSync(join(tmpdir(), 'innate-llama2c-'))
afterAll(() => rmSync(folder, { recursive: true }))

const [dim, hidden, layers, heads, kvHeads, context] = [12, 7, 2, 3, 1, 16]
const headDim = dim / heads
/** Merges worth having, best first, and single characters; runs of spaces share the worst score, as in Llama's vocabulary. */
const merged = [' t', 'aa', 'he', ' the', 'ab', 'aba', 'aaa', 'b ', ' b', 'the', 'abab', 'é🦄', ...[2, 3, 4, 5].map((n) => ' '.repeat(n))]
const pieces = [
  ...['<unk>', '\n<s>\n', '\n</s>\n', ...Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte))].map((text) => ({
    text,
    score: 0,
  })),
  ...merged.map((text, i) => ({ text, score: /^ +$/.test(text) ? -1e9 : -i })),
  ...[...' abehté🦄'].map((text, i) => ({ text, score: -1000 - i })),
]
const floats = new Float32Array(
  pieces.length * dim + layers * (2 * dim + 2 * dim * dim + 2 * kvHeads * headDim * dim + 3 * hidden * dim) + dim + context * headDim,
).map((_, i) => Math.sin(i * 12.9898) * 3)

function file(): Buffer<ArrayBuffer> {
  const header = Int32Array.of(dim, hidden, layers, heads, kvHeads, pieces.length, context)
  const tokens = pieces.flatMap(({ text, score }) => {
    const bytes = Buffer.from(text)
    const head = Buffer.alloc(8)
    head.writeFloatLE(score)
    head.writeInt32LE(bytes.length, 4)
    return [head, bytes]
  })
  return Buffer.concat([Buffer.from(header.buffer), Buffer.from(floats.buffer), Buffer.alloc(4), ...tokens])
}

await convertLlama2c(file(), folder)
const { config, params, tokenizer, eosIds } = await loadCheckpoint(folder)

describe('convertLlama2c', () => {
  it('reads the header', () => {
    expect(config).toEqual({
      ...{ family: 'llama', vocabSize: pieces.length, hiddenSize: dim, intermediateSize: hidden, layers, heads, kvHeads, headDim },
      ...{ normEps: 1e-5, ropeTheta: 10_000, contextLength: context, tied: true },
    })
    expect(eosIds).toEqual([1])
  })

  it('finds every tensor where llama2.c keeps it, all layers of a kind together', () => {
    const kinds: [(layer: number) => Tensor, number][] = [
      [() => params.embed, 1], [(i) => params.blocks[i]!.attnNorm!, layers], [(i) => params.blocks[i]!.attn.q, layers],
      [(i) => params.blocks[i]!.attn.k, layers], [(i) => params.blocks[i]!.attn.v, layers], [(i) => params.blocks[i]!.attn.o, layers],
      [(i) => params.blocks[i]!.mlpNorm!, layers], [(i) => params.blocks[i]!.mlp.gate!, layers], [(i) => params.blocks[i]!.mlp.down, layers],
      [(i) => params.blocks[i]!.mlp.up, layers], [() => params.norm, 1],
    ] // biome-ignore format: the order of the file at a glance
    let at = 0
    for (const [tensor, times] of kinds) {
      for (let i = 0; i < times; i++) {
        const { data } = tensor(i)
        expect([...data].sort()).toEqual([...floats.subarray(at, (at += data.length))].sort())
      }
    }
    expect(at).toBe(floats.length - context * headDim)
  })

  it('rotates halves to the same attention scores as llama2.c rotates pairs', () => {
    const raw = {
      q: rawRows(pieces.length * dim + layers * dim, heads),
      k: rawRows(pieces.length * dim + layers * (dim + dim * dim), kvHeads),
    }
    const [x, y] = [0, 1].map((n) => Array.from({ length: dim }, (_, i) => Math.cos(3 * i + n)))
    for (let layer = 0; layer < layers; layer++) {
      const { q, k } = params.blocks[layer]!.attn
      for (let head = 0; head < heads; head++) {
        const score = (rowsQ: Float32Array, rowsK: Float32Array, partner: (i: number) => [number, number]) =>
          dot(rotate(times(rowsQ, head, x!), 11, partner), rotate(times(rowsK, 0, y!), 4, partner))
        const halves = score(q.data as Float32Array, k.data as Float32Array, (i) => [i, i + headDim / 2])
        const pairs = score(raw.q(layer), raw.k(layer), (i) => [2 * i, 2 * i + 1])
        expect(halves).toBeCloseTo(pairs, 10)
      }
    }
  })

  it('says the tokens SentencePiece says: the best-scored merge first, of equals the leftmost', () => {
    const text = fc.string({
      unit: fc.constantFrom(' ', ' ', 'a', 'a', 'b', 't', 'h', 'e', 'é', '🦄', '\n', 'x', '漢', '\0'),
      maxLength: 40,
    })
    fc.assert(
      fc.property(text, (given) => {
        const ids = tokenizer.encode(given)
        expect(tokenizer.pieces(ids)).toEqual(['<s>', ...byScores(given)])
        expect(tokenizer.decode(ids)).toBe(given)
      }),
      { numRuns: 500 },
    )
  })
})

/** A layer's rows of one kind as they stand in the file, by where the kind starts. */
function rawRows(start: number, count: number) {
  const size = count * headDim * dim
  return (layer: number) => floats.subarray(start + layer * size, start + (layer + 1) * size)
}

function times(rows: Float32Array, head: number, x: number[]): number[] {
  return Array.from({ length: headDim }, (_, r) => dot([...rows.subarray((head * headDim + r) * dim, (head * headDim + r + 1) * dim)], x))
}

function rotate(x: number[], position: number, partner: (i: number) => [number, number]): number[] {
  const out = [...x]
  for (let i = 0; i < headDim / 2; i++) {
    const angle = position * 10_000 ** ((-2 * i) / headDim)
    const [a, b] = partner(i)
    out[a] = x[a]! * Math.cos(angle) - x[b]! * Math.sin(angle)
    out[b] = x[a]! * Math.sin(angle) + x[b]! * Math.cos(angle)
  }
  return out
}

function dot(a: number[], b: number[]): number {
  return a.reduce((sum, x, i) => sum + x * b[i]!, 0)
}

/** SentencePiece's algorithm, as slow as it is said. */
function byScores(text: string): string[] {
  const scores = new Map(pieces.slice(259).map((piece) => [piece.text.replaceAll(' ', '▁'), piece.score]))
  const parts = text === '' ? [] : [...`▁${text.replaceAll(' ', '▁')}`]
  for (;;) {
    let best = -1
    const score = (i: number) => scores.get(parts[i]! + parts[i + 1]!) ?? Number.NEGATIVE_INFINITY
    for (let i = 0; i + 1 < parts.length; i++) if (score(i) > (best < 0 ? Number.NEGATIVE_INFINITY : score(best))) best = i
    if (best < 0) break
    parts.splice(best, 2, parts[best]! + parts[best + 1]!)
  }
  return parts.flatMap((part) => {
    if (scores.has(part)) return [part]
    return [...Buffer.from(part)].map((byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)
  })
}
