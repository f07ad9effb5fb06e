import { random } from '../../random/index.ts'
import type { Given } from './method.ts'

const chunk = 1 << 16

/** Draws which entries are kept: by seed, name of the tensor and place of the model, so one run is the next. */
export function drawMasks(seed: number, name: string, length: number): Given['draw'] {
  return (other, chance) => {
    const source = random(seed, `merge ${name} ${other}`)
    const mask = new Uint8Array(length)
    for (let start = 0; start < length; start += chunk) {
      const drawn = source.integers(Math.min(chunk, length - start), 2 ** 32, start / chunk)
      for (let i = 0; i < drawn.length; i++)
        mask[start + i] = drawn[i]! < 2 ** 32 * (typeof chance === 'number' ? chance : chance[start + i]!) ? 1 : 0
    }
    return mask
  }
}
