import { z } from 'zod'
import { parse } from '../files/json.ts'
import { UserError } from '../graph/errors.ts'
import type { Family } from './families/family.ts'
import { families } from './families/index.ts'

/**
 * What a decoder is, apart from its numbers: plain data that `decoder` reads, whichever family it came from.
 * What is left out is as in Llama.
 */
export interface DecoderConfig {
  /** A name in `families`: how config.json and the tensors are written. The decoder never asks for it. */
  readonly family: string
  readonly vocabSize: number
  readonly hiddenSize: number
  readonly layers: number
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly intermediateSize: number
  readonly normEps: number
  readonly contextLength: number
  /** The head is the embedding, so there is no head of its own. */
  readonly tied: boolean

  /** Base of the rotary angles. Left out: positions are not rotated, but learned as rows of a table. */
  readonly ropeTheta?: number
  readonly ropeScaling?: RopeScaling
  /** How many numbers of a head are rotated, the first ones. Default: all. */
  readonly rotaryDim?: number
  /** Blocks whose queries and keys are not rotated. */
  readonly unrotated?: readonly number[]
  /** Blocks in which a token sees only the last `size` tokens, itself included; they may have unscaled angles of their own base. */
  readonly window?: { readonly size: number; readonly layers: readonly number[]; readonly ropeTheta?: number }

  /** Root mean square (the default), the same with 1 + weight, or mean and variance with a bias. */
  readonly norm?: 'rms' | 'rmsPlusOne' | 'layer'
  /** Whether attention and MLP are normed before (the default), after, or both. */
  readonly normed?: 'before' | 'after' | 'both'
  /** A norm of queries and keys before they are rotated: head by head, or over the whole width. */
  readonly qkNorm?: 'head' | 'whole'
  /** Linear layers with a bias. */
  readonly biases?: readonly LinearLayer[]
  /** Default silu. */
  readonly activation?: Activation
  /** false: the MLP is down(activation(up(x))), without a gate. */
  readonly gated?: boolean
  /** The MLP reads what attention read, not what it wrote. */
  readonly parallel?: boolean

  /** Factor of the embedding. Default 1. */
  readonly embedScale?: number
  /** Factor of queries · keys. Default 1 / √headDim. */
  readonly queryScale?: number
  /** Scores s become cap · tanh(s / cap). */
  readonly scoreCap?: number
  /** The same for logits. */
  readonly logitCap?: number

  /** Scores texts where others say the next token: a head of one row reads the last token that is no padding. */
  readonly reward?: { readonly padId?: number }
}

export type LinearLayer = 'q' | 'k' | 'v' | 'o' | 'gate' | 'up' | 'down'
export type Activation = 'silu' | 'gelu' | 'geluTanh'

/** How rotary angles are stretched for contexts longer than the first training's. */
export type RopeScaling =
  | { readonly kind: 'linear'; readonly factor: number }
  | { readonly kind: 'llama3'; readonly factor: number; readonly low: number; readonly high: number; readonly original: number }
  | {
      readonly kind: 'yarn'
      readonly factor: number
      readonly fast: number
      readonly slow: number
      readonly original: number
      /** Factor of cosine and sine. */
      readonly attention: number
      /** Whether the bounds between stretched and kept angles are whole numbers. */
      readonly whole: boolean
    }

const remedy = 'choose another checkpoint, as transformers writes it'

/**
 * Reads a Hugging Face config.json, as transformers 4 or 5 spells it; `where` leads the error.
 *
 * throws  UserError for an unknown architecture, and for a variant of a known one that is not built: angles that depend on the length,
 *         quantised weights, activations other than SiLU and GELU
 */
export function readConfig(where: string, json: unknown): DecoderConfig {
  const must = (holds: boolean, rule: string, got: unknown) => {
    if (!holds) throw new UserError(`${where}: ${rule}, got ${JSON.stringify(got) ?? 'nothing'}; ${remedy}`)
  }
  const general = z.looseObject({ model_type: z.string(), quantization_config: z.unknown().optional() })
  const { model_type: type, quantization_config: quantized } = parse(where, json, general, remedy)
  must(Object.hasOwn(families, type), `model_type must be one of ${Object.keys(families).join(', ')}`, type)
  must(quantized == null, 'weights must not be quantised', quantized)
  const config = families[type]!.read({ parse: (schema) => parse(where, json, schema, remedy), must })
  const { architectures, id2label, pad_token_id: padId } = parse(where, json, classifier, remedy)
  if (!architectures?.some((name) => name.endsWith('ForSequenceClassification'))) return config
  const labels = Object.keys(id2label ?? { 0: '', 1: '' }).length
  must(labels === 1, 'a reward model must have one label', labels)
  return { ...config, reward: padId == null ? {} : { padId } }
}

const classifier = z.looseObject({
  architectures: z.array(z.string()).nullish(),
  id2label: z.record(z.string(), z.string()).nullish(),
  pad_token_id: z.int().nonnegative().nullish(),
})

/** The config as Hugging Face writes it, in the spelling that transformers 4 and 5 both read: the inverse of readConfig. */
export function writeConfig(config: DecoderConfig): Record<string, unknown> {
  const family = familyOf(config)
  const shape = { model_type: config.family, ...family.write(config), torch_dtype: 'float32' }
  if (!config.reward) return { architectures: [family.architecture], ...shape }
  const { padId } = config.reward
  const labels = { id2label: { 0: 'reward' }, label2id: { reward: 0 } }
  return { architectures: [classifierOf(family)], ...shape, ...labels, ...(padId === undefined ? {} : { pad_token_id: padId }) }
}

/** The class of a family in transformers that scores texts. */
function classifierOf({ architecture, classifier }: Family): string {
  return classifier ?? architecture.replace(/(ForCausalLM|LMHeadModel)$/, 'ForSequenceClassification')
}

export function familyOf({ family }: DecoderConfig): Family {
  const known = families[family]
  if (!known) throw new Error(`internal: family must be one of ${Object.keys(families).join(', ')}, got ${family}`)
  return known
}
