import { z } from 'zod'
import type { DecoderConfig } from '../config.ts'
import { type ConfigQuestions, type Family, llamaTensors, readShared, readWindow, writeShared, writeWindow } from './family.ts'

/**
 * Qwen 2 and 2.5: Llama with biases on queries, keys and values.
 *
 * source  Yang et al. 2024, arXiv:2407.10671 and arXiv:2412.15115
 */
export const qwen2: Family = {
  architecture: 'Qwen2ForCausalLM',
  read: (ask) => ({
    ...readShared('qwen2', ask, { contextLength: 32_768, normEps: 1e-6, tied: false, ropeTheta: 10_000 }),
    ...readUsedWindow(ask),
    biases: ['q', 'k', 'v'],
  }),
  write: (config) => ({ ...writeShared(config), ...writeUsedWindow(config) }),
  base: 'model.',
  tensors: llamaTensors,
}

const fields = z.looseObject({ use_sliding_window: z.boolean().nullish(), max_window_layers: z.int().nullish() })

/** The window where `use_sliding_window` says so; `usual` says which blocks have it, by default those after `max_window_layers`. */
export function readUsedWindow(ask: ConfigQuestions, usual?: (layer: number) => boolean): Pick<DecoderConfig, 'window'> {
  const { use_sliding_window: used, max_window_layers: full } = ask.parse(fields)
  const window = used ? readWindow(ask, usual ?? ((layer) => layer >= (full ?? 28)), 4096) : undefined
  return window ? { window } : {}
}

export function writeUsedWindow(config: DecoderConfig) {
  return { ...writeWindow(config), use_sliding_window: config.window !== undefined }
}
