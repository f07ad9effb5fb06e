import { z } from 'zod'
import type { DecoderConfig, RopeScaling } from '../config.ts'
import type { ConfigQuestions } from './family.ts'

const factor = z.number().positive()
const ropeSchema = z.looseObject({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: factor.nullish(),
  partial_rotary_factor: factor.max(1).nullish(),
  factor: factor.nullish(),
  original_max_position_embeddings: factor.nullish(),
  low_freq_factor: factor.nullish(),
  high_freq_factor: factor.nullish(),
  beta_fast: factor.nullish(),
  beta_slow: factor.nullish(),
  attention_factor: factor.nullish(),
  mscale: z.number().nullish(),
  mscale_all_dim: z.number().nullish(),
  truncate: z.boolean().nullish(),
})
type Rope = z.infer<typeof ropeSchema>

/** The fields of config.json about rotary angles, as transformers 5 (rope_parameters) and 4 (the others) spell them. */
export const ropeFields = z.looseObject({
  rope_parameters: ropeSchema.nullish(),
  rope_scaling: ropeSchema.nullish(),
  rope_theta: factor.nullish(),
  partial_rotary_factor: factor.max(1).nullish(),
  original_max_position_embeddings: factor.nullish(),
})

export interface RopeDefaults {
  readonly theta: number
  readonly headDim: number
  readonly contextLength: number
  readonly partial: boolean
}

/** Whether config.json says something in an object that may as well be left out, null or empty. */
export function saysSomething(object: object | null | undefined): object is object {
  return object != null && Object.keys(object).length > 0
}

/**
 * Reads base, part and scaling of the rotary angles. As in transformers, `rope_scaling` stands in the place of the whole of
 * `rope_parameters` where a file has both, and `original_max_position_embeddings` counts outside of them before it counts inside.
 */
export function readRope(
  ask: ConfigQuestions,
  hf: z.infer<typeof ropeFields>,
  { theta, headDim, contextLength, partial }: RopeDefaults,
): Pick<DecoderConfig, 'ropeTheta' | 'ropeScaling' | 'rotaryDim'> {
  const field = saysSomething(hf.rope_scaling) ? 'rope_scaling' : 'rope_parameters'
  const original = hf.original_max_position_embeddings
  const given = { ...hf[field], ...(original == null ? {} : { original_max_position_embeddings: original }) }
  const part = given.partial_rotary_factor ?? hf.partial_rotary_factor ?? 1
  ask.must(partial || part === 1, 'partial_rotary_factor must be 1', part)
  const rotaryDim = Math.floor(headDim * part)
  ask.must(rotaryDim > 0 && rotaryDim % 2 === 0, `partial_rotary_factor must rotate an even part of ${headDim} numbers`, part)
  const ropeScaling = readScaling(ask, field, given, contextLength)
  return {
    ropeTheta: given.rope_theta ?? hf.rope_theta ?? theta,
    ...(ropeScaling ? { ropeScaling } : {}),
    ...(rotaryDim === headDim ? {} : { rotaryDim }),
  }
}

function readScaling(ask: ConfigQuestions, field: string, rope: Rope, contextLength: number): RopeScaling | undefined {
  const kind = rope.rope_type ?? rope.type ?? 'default'
  ask.must(['default', 'linear', 'llama3', 'yarn'].includes(kind), `${field} must be of type default, linear, llama3 or yarn`, rope)
  if (kind === 'default') return undefined
  const need = (name: 'factor' | 'low_freq_factor' | 'high_freq_factor') => {
    ask.must(rope[name] != null, `${field}.${name} must be a number`, rope[name])
    return rope[name]!
  }
  const original = rope.original_max_position_embeddings ?? contextLength
  if (kind === 'linear') return { kind, factor: need('factor') }
  if (kind === 'llama3') return { kind, factor: need('factor'), low: need('low_freq_factor'), high: need('high_freq_factor'), original }
  const by = rope.factor ?? contextLength / original
  return {
    kind: 'yarn',
    factor: by,
    fast: rope.beta_fast || 32,
    slow: rope.beta_slow || 1,
    original,
    attention: rope.attention_factor ?? attentionFactor(by, rope),
    whole: rope.truncate ?? true,
  }
}

function attentionFactor(by: number, { mscale, mscale_all_dim: all }: Rope): number {
  const scale = (m: number) => (by <= 1 ? 1 : 0.1 * m * Math.log(by) + 1)
  return mscale && all ? scale(mscale) / scale(all) : scale(1)
}

export function writeRope({ ropeTheta, ropeScaling, rotaryDim, headDim }: DecoderConfig): Record<string, unknown> {
  return {
    rope_theta: ropeTheta,
    rope_scaling: writeScaling(ropeScaling),
    ...(rotaryDim ? { partial_rotary_factor: rotaryDim / headDim } : {}),
  }
}

export function writeScaling(scaling: RopeScaling | undefined): Record<string, unknown> | null {
  if (!scaling) return null
  const { kind, factor } = scaling
  if (kind === 'linear') return { rope_type: kind, factor }
  const shared = { rope_type: kind, factor, original_max_position_embeddings: scaling.original }
  if (kind === 'llama3') return { ...shared, low_freq_factor: scaling.low, high_freq_factor: scaling.high }
  return {
    ...shared,
    beta_fast: scaling.fast,
    beta_slow: scaling.slow,
    attention_factor: scaling.attention,
    ...(scaling.whole ? {} : { truncate: false }),
  }
}
