import { type Family, llamaTensors, readShared, readWindow, writeShared } from './family.ts'

const { 'model.embed_tokens.weight': embed, ...others } = llamaTensors

/**
 * Llama stored with queries, keys and values as one tensor, and gate and up as one; a part of each head may be rotated.
 *
 * limits  angles of type longrope are refused: they depend on the length
 * source  Abdin et al. 2024, arXiv:2404.14219
 */
export const phi3: Family = {
  architecture: 'Phi3ForCausalLM',
  read(ask) {
    const window = readWindow(ask, () => true)
    const shared = readShared('phi3', ask, { contextLength: 4096, normEps: 1e-5, tied: false, ropeTheta: 10_000, partial: true })
    // transformers takes yarn for longrope here, since the first checkpoints said so.
    ask.must(shared.ropeScaling?.kind !== 'yarn', 'rope_scaling of a phi3 must be of type default, linear or llama3', 'yarn')
    return { ...shared, ...(window ? { window } : {}) }
  },
  write: (config) => ({ ...writeShared(config), sliding_window: config.window?.size ?? null }),
  base: 'model.',
  tensors: {
    'model.embed_tokens.weight': embed,
    'model.layers.*.self_attn.qkv_proj.weight': { paths: ['blocks.*.attn.q', 'blocks.*.attn.k', 'blocks.*.attn.v'] },
    'model.layers.*.mlp.gate_up_proj.weight': { paths: ['blocks.*.mlp.gate', 'blocks.*.mlp.up'] },
    ...Object.fromEntries(Object.entries(others).filter(([name]) => !/\.(q|k|v|gate|up)_proj\./.test(name))),
  },
}
