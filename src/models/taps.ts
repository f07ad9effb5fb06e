import { closestMatch } from 'leven'
import { UserError } from '../graph/errors.ts'
import type { DecoderConfig } from './config.ts'

/** A place in a decoder where a value can be read or replaced. */
export interface TapDefinition {
  /** `*` stands for the number of a block. */
  readonly name: string
  /** R rows of T tokens, d the width of the residual stream, f that of the MLP; keys are the row's, or what a cache holds. */
  readonly shape: string
  readonly about: string
  /** What TransformerLens has at this place. */
  readonly transformerLens: string
  /** The part that runs in pieces, or as one kernel, where nobody asks for this tap. */
  readonly inside?: 'attention' | 'norm'
  /** Which configs have it. Default: all. */
  readonly of?: (config: DecoderConfig) => boolean
}

const normedBefore = ({ normed }: DecoderConfig) => normed !== 'after'
const normedAfter = ({ normed }: DecoderConfig) => normed === 'after' || normed === 'both'
const normedHeads = ({ qkNorm }: DecoderConfig) => qkNorm !== undefined

/** Every tap, in the order they are computed; docs/taps.md is this table. */
export const taps: readonly TapDefinition[] = [
  {
    name: 'embed',
    shape: '[R, T, d]',
    about: 'what the first block reads: the embedding, with positions where they are learned',
    transformerLens: 'blocks.0.hook_resid_pre',
  },
  {
    name: 'blocks.*.attnNorm.scale',
    shape: '[R, T, 1]',
    about: 'what the norm before attention divides by',
    transformerLens: 'blocks.*.ln1.hook_scale',
    inside: 'norm',
    of: normedBefore,
  },
  {
    name: 'blocks.*.attn.in',
    shape: '[R, T, d]',
    about: 'what attention reads, after its norm and the norm’s weight',
    transformerLens: 'blocks.*.ln1.hook_normalized, times the weight unless it is folded in',
  },
  {
    name: 'blocks.*.attn.qNorm.scale',
    shape: '[R, heads, T, 1], or [R, T, 1] where one norm is over all heads',
    about: 'what the norm of queries divides by',
    transformerLens: 'blocks.*.attn.q_norm.hook_scale',
    inside: 'attention',
    of: normedHeads,
  },
  {
    name: 'blocks.*.attn.q',
    shape: '[R, heads, T, headDim]',
    about: 'queries as they meet keys: normed and rotated',
    transformerLens: 'blocks.*.attn.hook_rot_q, or hook_q without rotary positions; axes [R, T, heads, headDim]',
    inside: 'attention',
  },
  {
    name: 'blocks.*.attn.kNorm.scale',
    shape: '[R, kvHeads, T, 1], or [R, T, 1] where one norm is over all heads',
    about: 'what the norm of keys divides by',
    transformerLens: 'blocks.*.attn.k_norm.hook_scale',
    inside: 'attention',
    of: normedHeads,
  },
  {
    name: 'blocks.*.attn.k',
    shape: '[R, kvHeads, T, headDim]',
    about: 'keys as they meet queries, as a cache keeps them',
    transformerLens: 'blocks.*.attn.hook_rot_k, or hook_k without rotary positions; axes [R, T, kvHeads, headDim]',
    inside: 'attention',
  },
  {
    name: 'blocks.*.attn.v',
    shape: '[R, kvHeads, T, headDim]',
    about: 'values',
    transformerLens: 'blocks.*.attn.hook_v; axes [R, T, kvHeads, headDim]',
    inside: 'attention',
  },
  {
    name: 'blocks.*.attn.scores',
    shape: '[R, heads, T, keys]',
    about: 'scaled products of queries and keys before the softmax; −1e9 and less where a key is hidden',
    transformerLens: 'blocks.*.attn.hook_attn_scores, with −inf where a key is hidden',
    inside: 'attention',
  },
  {
    name: 'blocks.*.attn.pattern',
    shape: '[R, heads, T, keys]',
    about: 'the softmax of the scores: how much each query attends to each key',
    transformerLens: 'blocks.*.attn.hook_pattern',
    inside: 'attention',
  },
  {
    name: 'blocks.*.attn.z',
    shape: '[R, heads, T, headDim]',
    about: 'each head’s mixture of values, before the output product',
    transformerLens: 'blocks.*.attn.hook_z; axes [R, T, heads, headDim]',
    inside: 'attention',
  },
  {
    name: 'blocks.*.attnPostNorm.scale',
    shape: '[R, T, 1]',
    about: 'what the norm after attention divides by',
    transformerLens: 'blocks.*.ln1_post.hook_scale',
    inside: 'norm',
    of: normedAfter,
  },
  {
    name: 'blocks.*.attn.out',
    shape: '[R, T, d]',
    about: 'what attention adds to the residual stream, after its norm where there is one',
    transformerLens: 'blocks.*.hook_attn_out',
  },
  {
    name: 'blocks.*.mid',
    shape: '[R, T, d]',
    about: 'the residual stream between attention and MLP',
    transformerLens: 'blocks.*.hook_resid_mid',
  },
  {
    name: 'blocks.*.mlpNorm.scale',
    shape: '[R, T, 1]',
    about: 'what the norm before the MLP divides by',
    transformerLens: 'blocks.*.ln2.hook_scale',
    inside: 'norm',
    of: normedBefore,
  },
  {
    name: 'blocks.*.mlp.in',
    shape: '[R, T, d]',
    about: 'what the MLP reads, after its norm and the norm’s weight; not of mid where attention and MLP are parallel',
    transformerLens: 'blocks.*.ln2.hook_normalized, times the weight unless it is folded in',
  },
  {
    name: 'blocks.*.mlp.gate',
    shape: '[R, T, f]',
    about: 'what the activation function of a gated MLP reads',
    transformerLens: 'blocks.*.mlp.hook_pre',
    of: ({ gated }) => gated !== false,
  },
  {
    name: 'blocks.*.mlp.up',
    shape: '[R, T, f]',
    about: 'what a gate multiplies; without a gate, what the activation function reads',
    transformerLens: 'blocks.*.mlp.hook_pre_linear, or hook_pre without a gate',
  },
  {
    name: 'blocks.*.mlp.act',
    shape: '[R, T, f]',
    about: 'the neurons: what the MLP writes from',
    transformerLens: 'blocks.*.mlp.hook_post',
  },
  {
    name: 'blocks.*.mlpPostNorm.scale',
    shape: '[R, T, 1]',
    about: 'what the norm after the MLP divides by',
    transformerLens: 'blocks.*.ln2_post.hook_scale',
    inside: 'norm',
    of: normedAfter,
  },
  {
    name: 'blocks.*.mlp.out',
    shape: '[R, T, d]',
    about: 'what the MLP adds to the residual stream, after its norm where there is one',
    transformerLens: 'blocks.*.hook_mlp_out',
  },
  {
    name: 'blocks.*.out',
    shape: '[R, T, d]',
    about: 'the residual stream after the block',
    transformerLens: 'blocks.*.hook_resid_post',
  },
  {
    name: 'norm.scale',
    shape: '[R, T, 1]',
    about: 'what the last norm divides by',
    transformerLens: 'ln_final.hook_scale',
    inside: 'norm',
  },
  {
    name: 'final',
    shape: '[R, T, d]',
    about: 'what the head reads: the last norm, its weight applied',
    transformerLens: 'ln_final.hook_normalized, times the weight unless it is folded in',
  },
]

/** The definition that a tap's name belongs to. */
export function tapOf(name: string): TapDefinition | undefined {
  const pattern = name.replace(/^blocks\.\d+\./, 'blocks.*.')
  return taps.find((tap) => tap.name === pattern)
}

/** The names of all taps that a decoder of this config has, block by block. */
export function tapNames(config: DecoderConfig): string[] {
  const here = taps.filter(({ of }) => of?.(config) ?? true).map(({ name }) => name)
  const inBlock = here.filter((name) => name.startsWith('blocks.'))
  const [before, after] = [here.slice(0, here.indexOf(inBlock[0]!)), here.slice(here.indexOf(inBlock.at(-1)!) + 1)]
  const blocks = Array.from({ length: config.layers }, (_, i) => inBlock.map((name) => name.replace('*', String(i))))
  return [...before, ...blocks.flat(), ...after]
}

/**
 * The taps that patterns name: a name, or one in which `*` stands for exactly one part, so `blocks.*.out` is not `blocks.0.attn.out`. A
 * text may hold several, with commas. `where` leads the error.
 *
 * throws  UserError for a pattern that names no tap of this config
 */
export function tapsNamed(where: string, patterns: string | readonly string[], config: DecoderConfig): string[] {
  const all = tapNames(config)
  const found = new Set<string>()
  for (const pattern of [patterns].flat().flatMap((text) => text.split(',').map((part) => part.trim()))) {
    const parts = pattern.split('.')
    const fits = all.filter((name) => {
      const of = name.split('.')
      return of.length === parts.length && of.every((part, i) => parts[i] === '*' || parts[i] === part)
    })
    if (fits.length === 0) throw noTap(where, pattern, config)
    for (const name of fits) found.add(name)
  }
  return all.filter((name) => found.has(name))
}

function noTap(where: string, pattern: string, config: DecoderConfig): UserError {
  const patterns = taps.filter(({ of }) => of?.(config) ?? true).map(({ name }) => name)
  const [, block] = /^blocks\.(\d+)\./.exec(pattern) ?? []
  const near = closestMatch(pattern.replace(/^blocks\.\d+\./, 'blocks.*.'), patterns, { maxDistance: 5 })
  const remedy =
    block !== undefined && Number(block) >= config.layers
      ? `blocks are numbered from 0 to ${config.layers - 1}`
      : near
        ? `did you mean ${block === undefined ? near : near.replace('*', block)}?`
        : `choose from ${patterns.join(', ')}`
  return new UserError(`${where}: must name taps of the model, got ${JSON.stringify(pattern)}; ${remedy}`)
}
