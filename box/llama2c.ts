import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeSafetensors } from 'innate/checkpoints'
import { type Shape, sizeOf, type Tensor } from 'innate/graph'
import { type DecoderConfig, decoderParams, tensorName, writeConfig } from 'innate/models'
import { type Piece, sentencePieceJson } from 'innate/text'

const beginOfText = 1

/**
 * Writes llama2.c's model.bin followed by its tokenizer.bin as a folder that transformers loads.
 * Models trained by llama2.c end a text with the token that begins the next one, so that is the end token written.
 *
 * limits  version 0 of the layout with the head tied to the embedding
 * source  https://github.com/karpathy/llama2.c/blob/master/export.py, legacy_export
 */
export async function convertLlama2c(raw: Buffer<ArrayBuffer>, folder: string): Promise<void> {
  const { config, weights, end } = readModel(raw)
  const pieces = readPieces(raw.subarray(end), config.vocabSize)
  const ends = { bos_token_id: beginOfText, eos_token_id: beginOfText }
  const json = (name: string, value: object) => writeFile(join(folder, name), `${JSON.stringify(value, null, 1)}\n`)
  await writeSafetensors(join(folder, 'model.safetensors'), weights)
  await json('config.json', { ...writeConfig(config), ...ends })
  await json('generation_config.json', ends)
  await json('tokenizer.json', sentencePieceJson(pieces, { unknown: '<unk>', begin: '<s>', prefixSpace: true }))
  await json('tokenizer_config.json', {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: '<s>',
    eos_token: '<s>',
    unk_token: '<unk>',
    model_max_length: config.contextLength,
    clean_up_tokenization_spaces: false,
  })
}

/** llama2.c's version 0: seven integers, then each kind of tensor for all layers, then rotary tables. */
function readModel(raw: Buffer<ArrayBuffer>): { config: DecoderConfig; weights: [string, Tensor][]; end: number } {
  const integer = (i: number) => raw.readInt32LE(4 * i)
  const hiddenSize = integer(0)
  const headDim = hiddenSize / integer(3)
  const contextLength = integer(6)
  const config: DecoderConfig = {
    family: 'llama',
    vocabSize: integer(5),
    hiddenSize,
    layers: integer(2),
    heads: integer(3),
    kvHeads: integer(4),
    headDim,
    intermediateSize: integer(1),
    normEps: 1e-5,
    ropeTheta: 10_000,
    contextLength,
    tied: true,
  }
  const kinds = ['embed', 'attnNorm', 'attn.q', 'attn.k', 'attn.v', 'attn.o', 'mlpNorm', 'mlp.gate', 'mlp.down', 'mlp.up', 'norm']
  const wanted: { name: string; shape: Shape; kind: string }[] = []
  decoderParams(config, (path, shape) => wanted.push({ name: tensorName(config, path), shape, kind: path.replace(/^blocks\.\d+\./, '') }))
  const found = new Map<string, Tensor>()
  let at = raw.byteOffset + 28
  for (const kind of kinds) {
    for (const { name, shape } of wanted.filter((w) => w.kind === kind)) {
      const data = new Float32Array(raw.buffer, at, sizeOf(shape))
      const paired = kind === 'attn.q' || kind === 'attn.k'
      found.set(name, { dtype: 'f32', shape, data: paired ? splitPairs(data, headDim, hiddenSize) : data })
      at += data.byteLength
    }
  }
  const weights = wanted.map(({ name }): [string, Tensor] => [name, found.get(name)!])
  const rotaryTables = 2 * contextLength * (headDim / 2) * 4
  return { config, weights, end: at - raw.byteOffset + rotaryTables }
}

/** Rows 2i and 2i+1 of every head become rows i and i + headDim/2: from rotating pairs to rotating halves. */
function splitPairs(rows: Float32Array, headDim: number, width: number): Float32Array {
  const split = new Float32Array(rows.length)
  for (let row = 0; row < rows.length / width; row++) {
    const within = row % headDim
    const to = row - within + (within >> 1) + (within & 1) * (headDim / 2)
    split.set(rows.subarray(row * width, (row + 1) * width), to * width)
  }
  return split
}

const specials = ['<unk>', '<s>', '</s>']
const firstText = specials.length + 256

/** tokenizer.bin: a length, then score, length and bytes of each piece; the first are special, the next 256 single bytes. */
function readPieces(raw: Buffer, vocabSize: number): Piece[] {
  let at = 4
  return Array.from({ length: vocabSize }, (_, id): Piece => {
    const score = raw.readFloatLE(at)
    const from = at + 8
    at = from + raw.readInt32LE(at + 4)
    if (id < specials.length) return { text: specials[id]!, score, kind: id === 0 ? 'unknown' : 'special' }
    if (id < firstText) return { text: byteName(id - specials.length), score, kind: 'byte' }
    return { text: raw.toString('utf8', from, at).replaceAll(' ', '▁'), score, kind: 'text' }
  })
}

function byteName(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`
}
