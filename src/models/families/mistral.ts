import { type Family, llamaTensors, readShared, readWindow, writeShared } from './family.ts'

/**
 * Llama with a sliding window in every block, or without one.
 *
 * source  Jiang et al. 2023, arXiv:2310.06825
 */
export const mistral: Family = {
  architecture: 'MistralForCausalLM',
  read(ask) {
    const window = readWindow(ask, () => true, 4096)
    const shared = readShared('mistral', ask, { contextLength: 131_072, normEps: 1e-6, tied: false, ropeTheta: 10_000 })
    return { ...shared, ...(window ? { window } : {}) }
  },
  write: (config) => ({ ...writeShared(config), sliding_window: config.window?.size ?? null }),
  base: 'model.',
  tensors: llamaTensors,
}
