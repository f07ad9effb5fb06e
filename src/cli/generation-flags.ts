import { z } from 'zod'
import { readJson } from '../files/index.ts'
import { type SampledWeights, type Sampling, sampledWeights } from '../models/index.ts'
import { type Constraint, jsonSchema, type Tokenizer } from '../text/index.ts'
import { decimal, integer, oneOf, text, texts } from './command.ts'

/** How a model is sampled, as flags of every command that lets one speak; `complete` and `chat` begin with what the model's generation_config.json says. */
export const generationFlags = {
  temperature: decimal('0 takes the likeliest token; 1 when nothing is said', { min: 0 }),
  topK: integer('only the k likeliest tokens', { min: 1 }),
  topP: decimal('only the likeliest tokens that together have this probability', { min: 0, max: 1 }),
  minP: decimal('only tokens with this share of the likeliest one’s probability', { min: 0, max: 1 }),
  repetitionPenalty: decimal('above 1: tokens that were there before become less likely', { min: 0 }),
  maxTokens: integer('most new tokens; what the context leaves when left out', { unit: 'tokens', min: 1 }),
  stop: texts('a string that ends a completion and is not part of it, \\n a line’s end'),
  jsonSchema: text('a JSON schema that completions must follow', { shown: 'FILE' }),
  weights: oneOf('what tokens are multiplied by: rounded weights are quicker, and another model near to it', sampledWeights, {
    default: 'f32',
  }),
  seed: integer('seed', { default: 0, min: 0 }),
}

type Given = { readonly seed: number; readonly stop: readonly string[]; readonly weights: SampledWeights } & {
  readonly [K in 'temperature' | 'topK' | 'topP' | 'minP' | 'repetitionPenalty' | 'maxTokens']: number | undefined
}

/** What those flags are to sampleCompletions; what was not said is left out. */
export function samplingOf({
  temperature,
  seed,
  stop,
  weights,
  topK,
  topP,
  minP,
  repetitionPenalty,
  maxTokens,
}: Given): Omit<Sampling, 'eosIds'> {
  const optional = { temperature, topK, topP, minP, repetitionPenalty, maxTokens }
  const given = Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined))
  return { seed, weights, stop: stop.map((text) => text.replaceAll('\\n', '\n').replaceAll('\\t', '\t')), ...given }
}

/** The constraint of --json-schema, for one model. */
export async function constraintOf(
  file: string | undefined,
  tokenizer: Tokenizer,
  eosIds: readonly number[],
): Promise<{ readonly constrain?: Constraint }> {
  if (file === undefined) return {}
  const schema = await readJson(file, z.unknown(), 'write a JSON schema')
  return { constrain: await jsonSchema(file, schema, tokenizer, eosIds) }
}
