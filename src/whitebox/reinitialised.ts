import { isTensor, mapNested, type Tensor, tensor } from '../graph/index.ts'
import type { DecoderParams } from '../models/params.ts'
import { type Model, openPolicy, readParams } from '../policy/index.ts'
import { random } from '../random/index.ts'

/**
 * The same architecture with other weights: every matrix drawn anew, normal with the mean and the deviation of its entries; vectors stay. What a method
 * finds in it, too, says nothing of what the model learned. It shares the engine, and is closed with the model.
 *
 * source  Heap et al. 2025, arXiv:2501.17727 (embeddings drawn anew, too)
 */
export async function reinitialised(
  { config, policy }: Pick<Model, 'policy' | 'config'>,
  seed: number,
): Promise<Pick<Model, 'policy' | 'config'>> {
  const drawn = mapNested(await readParams(policy), isTensor, (value, name) => {
    const { length } = value.data
    if (value.shape.length < 2) return value
    let [sum, square] = [0, 0]
    for (let i = 0; i < length; i++) {
      sum += value.data[i]!
      square += value.data[i]! ** 2
    }
    const mean = sum / length
    const deviation = Math.sqrt(Math.max(0, square / length - mean * mean))
    const normals = random(seed, `reinitialised/${name}`).normals(length)
    return tensor(Float32Array.from(normals, (x) => mean + deviation * x), value.shape) // biome-ignore format: one line
  }) as DecoderParams<Tensor>
  return { policy: await openPolicy(policy.engine, { config, params: drawn }, undefined, { fixed: true }), config }
}
