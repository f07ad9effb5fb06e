import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Checkpoint } from '../checkpoints/index.ts'
import { tensor } from '../graph/index.ts'

/**
 * A model that scores texts from one that says the next token: its own head goes, and one of zeros comes, so that every score begins at 0.
 * A reward model stays as it is.
 *
 * source  padding as TRL 1.16's RewardTrainer chooses it: the tokenizer's, else config.json's, else the first end
 */
export async function withHead(checkpoint: Checkpoint): Promise<Checkpoint> {
  const { config, params } = checkpoint
  if (config.reward) return checkpoint
  const padId = await padOf(checkpoint)
  const { head: _, ...body } = params
  const score = tensor(new Float32Array(config.hiddenSize), [1, config.hiddenSize])
  return { ...checkpoint, config: { ...config, reward: padId === undefined ? {} : { padId } }, params: { ...body, score } }
}

async function padOf({ folder, tokenizer, eosIds, config }: Checkpoint): Promise<number | undefined> {
  const field = async (file: string, name: string): Promise<unknown> => {
    const text = await readFile(join(folder, file), 'utf8').catch(() => '{}')
    const found = (JSON.parse(text) as Readonly<Record<string, unknown>>)[name]
    return typeof found === 'object' && found !== null ? (found as { content?: unknown }).content : found
  }
  const piece = await field('tokenizer_config.json', 'pad_token')
  const ids = typeof piece === 'string' ? tokenizer.encode(piece, { special: false }) : []
  const named = ids.length === 1 ? ids[0] : await field('config.json', 'pad_token_id')
  return [named, eosIds[0]].find((id): id is number => typeof id === 'number' && id >= 0 && id < config.vocabSize)
}

/** A completion up to its last token that is no padding: where a reward model reads its score, as transformers does. */
export function upToPadding(ids: readonly number[], padId: number | undefined): readonly number[] {
  return ids.slice(0, ids.findLastIndex((id) => id !== padId) + 1)
}
