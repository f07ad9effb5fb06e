import { z } from 'zod'
import type { DecoderConfig } from '../config.ts'
import {
  activationName,
  type ConfigQuestions,
  type Defaults,
  type Family,
  readShared,
  readWindow,
  sandwichTensors,
  writeShared,
  writeWindow,
} from './family.ts'

const fields = z.looseObject({
  query_pre_attn_scalar: z.number().positive().nullish(),
  attn_logit_softcapping: z.number().positive().nullish(),
  final_logit_softcapping: z.number().positive().nullish(),
  use_bidirectional_attention: z.unknown().optional(),
})

/**
 * RMSNorm with 1 + weight before and after attention and MLP, capped scores and logits, a window in every other block.
 *
 * source  Gemma team 2024, arXiv:2408.00118
 */
export const gemma2: Family = {
  architecture: 'Gemma2ForCausalLM',
  read(ask) {
    const window = readWindow(ask, (layer) => layer % 2 === 0, 4096)
    const defaults = { contextLength: 8192, normEps: 1e-6, tied: true, ropeTheta: 10_000 }
    return { ...readGemma('gemma2', ask, defaults, { scores: 50, logits: 30 }), ...(window ? { window } : {}) }
  },
  write: (config) => ({ ...writeGemma(config), ...writeWindow(config) }),
  base: 'model.',
  tensors: sandwichTensors,
}

/** What the Gemmas share. A cap that is null is none, one that is left out has the given default. */
export function readGemma(
  family: string,
  ask: ConfigQuestions,
  defaults: Defaults,
  caps: { scores?: number; logits?: number },
): DecoderConfig {
  const hf = ask.parse(fields)
  ask.must(!hf.use_bidirectional_attention, 'use_bidirectional_attention must be false', hf.use_bidirectional_attention)
  const shared = readShared(family, ask, { headDim: 256, activation: 'gelu_pytorch_tanh', mayHaveBiases: 'attention', ...defaults })
  const { attn_logit_softcapping: scoreCap = caps.scores, final_logit_softcapping: logitCap = caps.logits } = hf
  return {
    ...shared,
    norm: 'rmsPlusOne',
    normed: 'both',
    embedScale: Math.sqrt(shared.hiddenSize),
    queryScale: (hf.query_pre_attn_scalar ?? 256) ** -0.5,
    ...(scoreCap == null ? {} : { scoreCap }),
    ...(logitCap == null ? {} : { logitCap }),
  }
}

export function writeGemma(config: DecoderConfig): Record<string, unknown> {
  return {
    ...writeShared(config),
    hidden_activation: activationName(config),
    // A scalar that was written as a number of few digits comes back as that number.
    query_pre_attn_scalar: Number((config.queryScale! ** -2).toPrecision(12)),
    attn_logit_softcapping: config.scoreCap ?? null,
    final_logit_softcapping: config.logitCap ?? null,
  }
}
