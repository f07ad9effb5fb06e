import { join } from 'node:path'
import { z } from 'zod'
import { readSafetensors, writeSafetensors } from '../checkpoints/index.ts'
import { readJson, writeAtomic, writeFolder } from '../files/index.ts'
import { UserError } from '../graph/errors.ts'
import { sameShape, type Tensor } from '../graph/index.ts'
import type { SparseAutoencoder } from './sparse-autoencoder.ts'

/** What of SAELens's configuration is understood; another value is refused by its field. */
const configSchema = z.looseObject({
  d_in: z.int().positive(),
  d_sae: z.int().positive(),
  architecture: z.enum(['topk', 'standard']),
  apply_b_dec_to_input: z.boolean().default(true),
  normalize_activations: z.literal('none').default('none'),
  reshape_activations: z.literal('none').default('none'),
  k: z.int().positive().optional(),
  rescale_acts_by_decoder_norm: z.boolean().default(false),
  metadata: z.looseObject({ hook_name: z.string().nullish(), model_name: z.string().nullish() }).default({}),
})

/** Where an autoencoder reads: the model, and the name of the place in TransformerLens. */
export interface SaePlace {
  readonly model?: string
  readonly hook?: string
}

const remedy = 'give a folder that SAELens 6 wrote, of a topk or standard autoencoder'

/**
 * Reads an autoencoder from a folder that SAELens 6 wrote: `cfg.json` and `sae_weights.safetensors`.
 *
 * throws  UserError for another architecture or normalisation, and for tensors that are missing or of another shape
 * source  sae-lens 6.54.12 (PyPI)
 */
export async function loadSae(folder: string): Promise<{ autoencoder: SparseAutoencoder; place: SaePlace }> {
  const config = await readJson(join(folder, 'cfg.json'), configSchema, remedy)
  const { d_in: d, d_sae: features, architecture, k, metadata } = config
  if (architecture === 'topk' && (k === undefined || k > features))
    throw new UserError(`${folder}/cfg.json: k must be 1 to ${features} of a topk autoencoder, got ${k}; ${remedy}`)
  const file = join(folder, 'sae_weights.safetensors')
  const tensors = await readSafetensors(file)
  const shapes = { W_enc: [d, features], b_enc: [features], W_dec: [features, d], b_dec: [d] }
  const params = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]): [string, Tensor] => {
      const found = tensors.get(name)
      if (!found || !sameShape(found.shape, shape))
        throw new UserError(`${file}: ${name} must be [${shape}], got ${found ? `[${found.shape}]` : 'none'}; ${remedy}`)
      return [name, found]
    }),
  ) as SparseAutoencoder['params']
  const strange = [...tensors.keys()].find((name) => !Object.hasOwn(shapes, name))
  if (strange !== undefined) throw new UserError(`${file}: tensors must be ${Object.keys(shapes).join(', ')}, got ${strange}; ${remedy}`)
  return {
    autoencoder: {
      ...(architecture === 'topk' ? { k: k! } : {}),
      centred: config.apply_b_dec_to_input,
      rescaled: config.rescale_acts_by_decoder_norm,
      params,
    },
    place: {
      ...(metadata.model_name ? { model: metadata.model_name } : {}),
      ...(metadata.hook_name ? { hook: metadata.hook_name } : {}),
    },
  }
}

/** Writes an autoencoder as a folder that SAELens 6 reads. */
export async function saveSae(
  folder: string,
  { k, centred, rescaled, params }: SparseAutoencoder,
  { model, hook }: SaePlace = {},
): Promise<void> {
  const [d, features] = params.W_enc.shape
  const config = {
    d_in: d,
    d_sae: features,
    dtype: 'float32',
    device: 'cpu',
    apply_b_dec_to_input: centred,
    normalize_activations: 'none',
    reshape_activations: 'none',
    metadata: { sae_lens_version: '6.54.12', model_name: model ?? null, hook_name: hook ?? null },
    ...(k === undefined ? {} : { k, rescale_acts_by_decoder_norm: rescaled }),
    architecture: k === undefined ? 'standard' : 'topk',
  }
  await writeFolder(folder, async (temporary) => {
    await writeAtomic(join(temporary, 'cfg.json'), JSON.stringify(config))
    await writeSafetensors(join(temporary, 'sae_weights.safetensors'), Object.entries(params))
  })
}
