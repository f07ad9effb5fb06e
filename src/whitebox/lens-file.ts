import { readSafetensors, writeSafetensors } from '../checkpoints/index.ts'
import { type Tensor, tensor, UserError } from '../graph/index.ts'
import type { DecoderConfig } from '../models/index.ts'
import type { Lens, LensMap } from './lens.ts'

/**
 * Writes a lens: for each block `J.l` f32[d, d], and of a tuned one its bias `b.l` f32[d]; a row is a channel of what the last norm reads, and
 * the last block's is the identity.
 *
 * throws  UserError when the disk refuses
 */
export async function saveLens(file: string, { kind, maps }: Lens, { hiddenSize: d }: Pick<DecoderConfig, 'hiddenSize'>): Promise<void> {
  await writeSafetensors(
    file,
    maps.flatMap(({ matrix, bias }, layer): [string, Tensor][] => [
      [`J.${layer}`, matrix ?? identity(d)],
      ...(kind === 'tuned' ? [[`b.${layer}`, bias ?? tensor(new Float32Array(d), [d])] as [string, Tensor]] : []),
    ]),
  )
}

/**
 * Reads a lens that saveLens wrote, for a model.
 *
 * throws  UserError for tensors that are missing, of other shapes or unknown
 */
export async function loadLens(file: string, { layers, hiddenSize: d }: Pick<DecoderConfig, 'layers' | 'hiddenSize'>): Promise<Lens> {
  const found = await readSafetensors(file)
  const kind = found.has('b.0') ? 'tuned' : 'jacobian'
  const take = (name: string, shape: readonly number[]) => {
    const it = found.get(name)
    found.delete(name)
    if (it?.dtype === 'f32' && it.shape.join() === shape.join()) return it
    throw new UserError(
      `${file}: ${name} must be f32[${shape.join(', ')}], for a model of ${layers} blocks and width ${d}, got ${it ? `${it.dtype}[${it.shape.join(', ')}]` : 'no such tensor'}; fit a lens for this model with: innate read fit`,
    )
  }
  const maps = Array.from(
    { length: layers },
    (_, layer): LensMap => ({
      matrix: take(`J.${layer}`, [d, d]),
      ...(kind === 'tuned' ? { bias: take(`b.${layer}`, [d]) } : {}),
    }),
  )
  const [more] = found.keys()
  if (more !== undefined)
    throw new UserError(`${file}: a ${kind} lens of ${layers} blocks has no more tensors, got ${more} too; is it for another model?`)
  return { kind, maps }
}

function identity(d: number): Tensor {
  const one = new Float32Array(d * d)
  for (let i = 0; i < d; i++) one[i * (d + 1)] = 1
  return tensor(one, [d, d])
}
