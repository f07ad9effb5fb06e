import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { Checkpoint } from 'innate/checkpoints'
import type { Engine } from 'innate/engine'
import { type Tensor, tensor } from 'innate/graph'
import type { DecoderConfig, DecoderParams } from 'innate/models'
import { openPolicy, sampleCompletions } from 'innate/policy'
import { loadTokenizer, type Tokenizer } from 'innate/text'
import { type TokenizerJson, trimVocabulary } from './vocabulary.ts'

/** A text as tokens, from the token that begins it to the one that ends it, if it ended. */
export interface Story {
  readonly ids: readonly number[]
  readonly bytes: number
  /** Where in `ids` the small vocabulary cuts otherwise than the teacher's own: there the teacher is at a loss. */
  readonly split?: readonly number[]
}

export interface Text {
  readonly text: string
  readonly ended: boolean
}

/** Stories by stories15m at temperature 1 from its 80 likeliest tokens, at most as long as its context; from a file, or sampled once. */
export async function storiesOf(
  teacher: Checkpoint,
  engine: Engine,
  folder: string,
  given: string | undefined,
  say: (line: string) => void,
) {
  const file = given ?? join(folder, 'stories.jsonl')
  if (!existsSync(file)) {
    const count = 14_704
    say(`sampling ${count} stories from stories15m …`)
    const policy = await openPolicy(engine, teacher)
    const start = teacher.tokenizer.encode('').slice(0, 1)
    const all: string[] = []
    await sampleCompletions(policy, new Array(count / 16).fill(start), {
      perPrompt: 16,
      topK: 80,
      seed: 1,
      eosIds: teacher.eosIds,
      onCompletion(_, __, { ids, ended }) {
        all.push(JSON.stringify({ text: teacher.tokenizer.decode(ids), ended }))
        if (all.length % 500 === 0) say(`${all.length} of ${count} stories`)
      },
    })
    await policy.rest()
    await writeFile(file, `${all.join('\n')}\n`)
  }
  const raw = await readFile(file)
  const text = file.endsWith('.gz') ? gunzipSync(raw).toString() : raw.toString()
  return text
    .trim()
    .split('\n')
    .map((line): Text => JSON.parse(line))
}

/** A story's tokens between the token that begins it and, where it ended, the one that ends it; `whole` is the vocabulary it was cut down from. */
export function asStory(
  { text, ended }: Text,
  tokenizer: Tokenizer,
  { eosIds, config }: Pick<Checkpoint, 'eosIds' | 'config'>,
  whole?: Tokenizer,
): Story {
  const ids = [...tokenizer.encode(text), ...(ended ? [eosIds[0]!] : [])].slice(0, config.contextLength + 1)
  const split = whole && splitAt(tokenizer.pieces(ids), whole.pieces(whole.encode(text)))
  return { ids, bytes: Buffer.byteLength(text), ...(split ? { split } : {}) }
}

/** Indices of the pieces that are not pieces of the other cut of the same text. */
export function splitAt(pieces: readonly string[], others: readonly string[]): number[] {
  const spans = (all: readonly string[]) => {
    let at = 0
    return all.map((piece) => `${at} ${(at += piece.length)}`)
  }
  const known = new Set(spans(others))
  // The token that ends a story lies behind both.
  const end = others.join('').length
  return spans(pieces).flatMap((span, i) => (known.has(span) || Number(span.split(' ')[0]) >= end ? [] : [i]))
}

/** Makes the small tokenizer in a folder, once, and says which of the teacher's ids it keeps. */
export async function smallVocabulary(teacher: Checkpoint, texts: readonly Text[], size: number, folder: string) {
  const file = join(folder, 'vocabulary.json')
  if (!existsSync(file)) {
    const counts = new Map<number, number>()
    for (const { text } of texts) for (const id of teacher.tokenizer.encode(text)) counts.set(id, (counts.get(id) ?? 0) + 1)
    const whole = JSON.parse(await readFile(join(teacher.folder, 'tokenizer.json'), 'utf8')) as TokenizerJson
    const { json, kept } = trimVocabulary(whole, counts, size)
    const model = join(folder, 'tokenizer')
    await mkdir(model, { recursive: true })
    await writeFile(join(model, 'tokenizer.json'), JSON.stringify(json))
    await writeFile(join(model, 'tokenizer_config.json'), await readFile(join(teacher.folder, 'tokenizer_config.json')))
    await writeFile(file, JSON.stringify(kept))
  }
  const kept: number[] = JSON.parse(await readFile(file, 'utf8'))
  return { kept, tokenizer: await loadTokenizer(join(folder, 'tokenizer')) }
}

/** The model with the rows of its embedding that the small vocabulary keeps, and the layers named. */
export function cut(
  { config, params }: { readonly config: DecoderConfig; readonly params: DecoderParams<Tensor> },
  kept: readonly number[],
  layers: readonly number[] = params.blocks.map((_, i) => i),
): { config: DecoderConfig; params: DecoderParams<Tensor> } {
  const d = config.hiddenSize
  const embed = new Float32Array(kept.length * d)
  for (const [row, id] of kept.entries()) embed.set(params.embed.data.subarray(id * d, (id + 1) * d), row * d)
  return {
    config: { ...config, vocabSize: kept.length, layers: layers.length },
    params: { ...params, embed: tensor(embed, [kept.length, d]), blocks: layers.map((i) => params.blocks[i]!) },
  }
}
