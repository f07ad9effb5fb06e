import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { parse, readJson } from '../files/json.ts'
import { UserError } from '../graph/errors.ts'
import type { Sampling } from '../models/sampling.ts'

/** How a model's generation_config.json says that it is sampled. */
export interface Generation {
  /** Ids that end a completion. */
  readonly eosIds: readonly number[]
  readonly sampling: Pick<Sampling, 'temperature' | 'topK' | 'topP' | 'minP' | 'repetitionPenalty'>
  /** Whether it says if tokens are drawn; where it does not, transformers takes the likeliest. */
  readonly saysHow: boolean
  /** What it asks for that is not done here, a sentence each. */
  readonly notes: readonly string[]
}

const remedy = 'a model folder holds generation_config.json as transformers saves it'
const ids = z.union([z.int().nonnegative(), z.array(z.int().nonnegative())]).nullish()
const number = z.number().nullish()
const schema = z.looseObject({
  ...{ eos_token_id: ids, do_sample: z.boolean().nullish() },
  ...{ temperature: number, top_k: number, top_p: number, min_p: number, repetition_penalty: number },
})

// What has no bearing on which tokens are said.
const silent =
  /^(_from_model_config|transformers_version|(bos|pad|decoder_start)_token_id|use_cache|.*cache.*|output_\w+|return_dict\w*|is_assistant|num_assistant\w*|assistant_\w+|target_lookbehind|prompt_lookup\w*|max_matching\w*|compile_config|disable_compile|low_memory|remove_invalid_values|early_stopping|max_time|trust_remote_code|prefill_chunk_size|renormalize_logits|use_mtp|speculation_type|length_penalty|continuous_batching_config|chat_format|max_window_size)$/
// These numbers change nothing.
const neutral: Readonly<Record<string, number>> = {
  ...{
    typical_p: 1,
    top_h: 1,
    encoder_repetition_penalty: 1,
    num_beams: 1,
    num_beam_groups: 1,
    num_return_sequences: 1,
    guidance_scale: 1,
  },
}

/**
 * Reads what a model folder says about sampling, as transformers does: greedy unless `do_sample` is true, with the penalty either way, and
 * the 50 likeliest tokens where `top_k` is not said. Where `do_sample` is missing transformers is greedy too; here the model is sampled as
 * it is, and `saysHow` is false.
 *
 * throws  UserError when no end token is known
 */
export async function readGeneration(folder: string, configFile: string, config: object): Promise<Generation> {
  const file = join(folder, 'generation_config.json')
  const there = await access(file).then(
    () => true,
    () => false,
  )
  const told: z.infer<typeof schema> = there ? await readJson(file, schema, remedy) : {}
  const eos = told.eos_token_id ?? parse(configFile, config, z.looseObject({ eos_token_id: ids }), remedy).eos_token_id
  if (eos == null || (Array.isArray(eos) && eos.length === 0))
    throw new UserError(`${configFile}: eos_token_id must say which token ends a text, got none; add it`)
  const { eos_token_id: _, do_sample, temperature, top_k, top_p, min_p, repetition_penalty, ...others } = told
  const drawn = { temperature, topK: (top_k ?? 50) || undefined, topP: top_p, minP: min_p }
  const said = {
    ...(do_sample ? drawn : do_sample === false ? { temperature: 0 } : {}),
    repetitionPenalty: repetition_penalty,
  }
  return {
    eosIds: [eos].flat(),
    sampling: Object.fromEntries(Object.entries(said).filter(([, value]) => value != null)),
    saysHow: do_sample != null,
    notes: Object.entries(others)
      .filter(([name, value]) => !silent.test(name) && !isOff(name, value))
      .map(([name, value]) => `generation_config.json: ${name} is not honoured, ${JSON.stringify(value)?.slice(0, 60)}`),
  }
}

function isOff(name: string, value: unknown): boolean {
  if (value == null || value === false || value === (neutral[name] ?? 0)) return true
  return typeof value === 'object' && Object.keys(value).length === 0
}
