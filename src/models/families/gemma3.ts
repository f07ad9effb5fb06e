import { z } from 'zod'
import { type Family, readWindow, sandwichTensors, writeWindow } from './family.ts'
import { readGemma, writeGemma } from './gemma2.ts'
import { ropeFields, saysSomething } from './rope.ts'

const one = ropeFields.shape.rope_parameters
const fields = z.looseObject({
  rope_parameters: z.looseObject({ full_attention: one, sliding_attention: one }).nullish(),
  rope_scaling: one,
  rope_local_base_freq: z.number().positive().nullish(),
  sliding_window_pattern: z.int().positive().nullish(),
  _sliding_window_pattern: z.int().positive().nullish(),
})

/**
 * The text part of Gemma 3: Gemma 2 with normed queries and keys instead of caps, five of six blocks with a window and angles of their own.
 *
 * source  Gemma team 2025, arXiv:2503.19786
 */
export const gemma3: Family = {
  architecture: 'Gemma3ForCausalLM',
  classifier: 'Gemma3TextForSequenceClassification',
  read(ask) {
    const hf = ask.parse(fields)
    const { full_attention: full, sliding_attention: local } = hf.rope_parameters ?? {}
    ask.must(['default', undefined].includes(local?.rope_type), 'rope_parameters.sliding_attention must be of type default', local)
    const every = hf.sliding_window_pattern ?? hf._sliding_window_pattern ?? 6
    const window = readWindow(ask, (layer) => (layer + 1) % every !== 0, 4096)
    const defaults = { contextLength: 131_072, normEps: 1e-6, tied: true, ropeTheta: 1_000_000 }
    const nested = !saysSomething(hf.rope_parameters) || full !== undefined || local !== undefined
    ask.must(nested, 'rope_parameters must have full_attention and sliding_attention', hf.rope_parameters)
    // rope_scaling changes the angles of the blocks that see everything.
    const whole = { ...full, ...hf.rope_scaling }
    const inFull = hf.rope_parameters ? { ...ask, parse: <T>(schema: z.ZodType<T>) => ask.parse(withRope(schema, whole)) } : ask
    return {
      ...readGemma('gemma3_text', inFull, defaults, {}),
      ...(window ? { window: { ...window, ropeTheta: local?.rope_theta ?? hf.rope_local_base_freq ?? 10_000 } } : {}),
      qkNorm: 'head',
    }
  },
  write: (config) => ({
    ...writeGemma(config),
    ...writeWindow(config),
    ...(config.window ? { rope_local_base_freq: config.window.ropeTheta } : {}),
  }),
  base: 'model.',
  tensors: sandwichTensors,
}

/** The schema over a config whose rotary angles are those of the blocks that see everything. */
function withRope<T>(schema: z.ZodType<T>, full: unknown): z.ZodType<T> {
  return z.preprocess((json) => ({ ...(json as object), rope_parameters: full, rope_scaling: null }), schema) as z.ZodType<T>
}
