import { UserError } from '../../graph/errors.ts'
import type { Keys } from './architectures.ts'

const remedy = 'choose another conversion of the model'

/**
 * How rotary angles are stretched, as config.json says it under `rope_scaling`; null where they are not.
 *
 * throws  UserError for keys that change the angles and have no word in config.json
 * source  llama.cpp, src/llama-model.cpp and src/llama-context.cpp
 */
export function ropeScaling(keys: Keys, headDim: number, base: number): Record<string, unknown> | null {
  const must = (holds: boolean, key: string, rule: string) => {
    if (!holds) throw new UserError(`${keys.file}: ${key} must be ${rule}, got ${JSON.stringify(keys.get(key))}; ${remedy}`)
  }
  const factor = keys.number('rope.scaling.factor', keys.number('rope.scale_linear', 1))
  // llama.cpp takes a factor without a type for linear.
  const type = keys.get('rope.scaling.type') ?? 'linear'
  const attention = keys.number('rope.scaling.attn_factor', 1)
  for (const [key, usual] of [['yarn_ext_factor', 1], ['yarn_attn_factor', 1], ['yarn_log_multiplier', 0], ['alpha', 0]] as const) // biome-ignore format: one table
    must(keys.number(`rope.scaling.${key}`, usual) === usual, `rope.scaling.${key}`, `${usual}`)
  const factors = keys.tensor('rope_freqs.weight')
  const stretched = type !== 'none' && (type !== 'linear' || factor !== 1)
  if (factors) {
    must(!stretched && attention === 1, 'rope.scaling.type', 'none where rope_freqs.weight stretches the angles')
    return fromFactors(keys, [...factors.data], headDim, base)
  }
  must(type === 'yarn' || attention === 1, 'rope.scaling.attn_factor', '1 where rope.scaling.type is not yarn')
  if (!stretched) return null
  const optional = (name: string, key: string) => (keys.get(key) === undefined ? {} : { [name]: keys.number(key) })
  return {
    rope_type: type,
    factor,
    ...optional('original_max_position_embeddings', 'rope.scaling.original_context_length'),
    ...optional('beta_fast', 'rope.scaling.yarn_beta_fast'),
    ...optional('beta_slow', 'rope.scaling.yarn_beta_slow'),
    ...(attention === 1 ? {} : { attention_factor: attention * (factor <= 1 ? 1 : 0.1 * Math.log(factor) + 1) }),
  }
}

/**
 * Llama 3's settings, of which a file has only what they make of each frequency: a factor of its wave length. With k for how much of the
 * frequency is kept, factor = 1 / (k + (1 − k) / largest), and k grows linearly with the frequency: two factors between say how.
 */
function fromFactors(keys: Keys, factors: readonly number[], headDim: number, base: number): Record<string, unknown> | null {
  const refuse = (rule: string): never => {
    throw new UserError(`${keys.file}: rope_freqs.weight must ${rule}, got ${JSON.stringify(factors.slice(0, 8))}; ${remedy}`)
  }
  const dim = keys.number('rope.dimension_count', headDim)
  if (factors.length !== dim / 2) refuse(`have ${dim / 2} factors`)
  const largest = Math.max(...factors)
  if (factors.every((factor) => factor === 1)) return null
  const plain = factors.map((_, i) => base ** ((-2 * i) / dim))
  const kept = factors.map((factor) => (1 / factor - 1 / largest) / (1 - 1 / largest))
  const between = kept.flatMap((k, i) => (k > 1e-4 && k < 1 - 1e-4 ? [i] : []))
  const settings =
    between.length === 0 ? atAnEdge() : between.length === 1 ? throughOne(between[0]!) : throughTwo(between[0]!, between.at(-1)!)
  const { low, high, original } = settings
  const again = plain.map((p) => Math.min(Math.max(((original * p) / (2 * Math.PI) - low) / (high - low), 0), 1))
  if (!again.every((k, i) => Math.abs(k - kept[i]!) < 1e-4)) refuse('be what llama3 makes of some original context')
  return { rope_type: 'llama3', factor: largest, low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: original }

  // Every release has 1 and 4, and one factor between then says the original context.
  function throughOne(i: number) {
    return { low: 1, high: 4, original: nearlyWhole((2 * Math.PI * (1 + 3 * kept[i]!)) / plain[i]!) }
  }

  function throughTwo(i: number, j: number) {
    const usual = throughOne(i)
    const fits = ((usual.original * plain[j]!) / (2 * Math.PI) - 1) / 3
    if (Math.abs(fits - kept[j]!) < 1e-4) return usual
    const slope = (kept[i]! - kept[j]!) / (plain[i]! - plain[j]!)
    const low = slope * plain[i]! - kept[i]!
    return { low: 1, high: 1 + 1 / low, original: (2 * Math.PI * slope) / low }
  }

  // Nothing lies between, so any original context between the last kept and the first stretched frequency says the same.
  function atAnEdge() {
    const last = Math.min(...plain.filter((_, i) => kept[i]! > 0.5))
    const first = Math.max(...plain.filter((_, i) => kept[i]! <= 0.5))
    const original = Number.isFinite(last) ? (8 * Math.PI) / last : Math.PI / first
    return { low: 1, high: 4, original }
  }
}

/** An original context is a whole number, and comes out of f32 factors nearly as one. */
function nearlyWhole(x: number): number {
  return Math.abs(x / Math.round(x) - 1) < 1e-3 ? Math.round(x) : x
}
