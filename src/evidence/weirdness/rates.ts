import { freshNet, placesOf, widths } from '../dense-net.ts'
import type { Stream } from '../stream.ts'
import { classes, measured, senses, task, trainedOn } from './classifier.ts'

const [narrow, wide] = [8, 32]
/** Powers of two of the rates. */
const powers = [-10, -8, -6, -4, -2, 0]
const large = -2

/** The best rate at two widths, in the standard parametrisation and in µP: by how many powers of two it moves, and what a large rate does. */
export function rateSweep(draw: Stream): Record<string, number> {
  const points = task(draw)
  const [data, test] = [points(1000, draw), points(500, draw)]
  const numbers: Record<string, number> = {}
  for (const how of ['standard', 'µP'] as const) {
    const best: number[] = []
    for (const [width, size] of [
      [narrow, 'narrow'],
      [wide, 'wide'],
    ] as const) {
      // biome-ignore format: one line
      const losses = powers.map((power) => Math.min(100, lossAt(how, width, 2 ** power)))
      const least = Math.min(...losses)
      best.push(powers[losses.indexOf(least)]!)
      numbers[`rates within a tenth of the best, ${how}, ${size}`] = losses.filter((loss) => loss <= 1.1 * least).length
      numbers[`loss, ${how}, ${size}, large rate`] = losses[powers.indexOf(large)]!
    }
    numbers[`best rate moves, ${how}`] = best[1]! - best[0]!
  }
  return numbers

  function lossAt(how: 'standard' | 'µP', width: number, rate: number): number {
    const layers = widths(senses, width, width, classes)
    const fresh = freshNet(layers, draw)
    const places = placesOf(layers)
    const ratio = how === 'µP' ? narrow / width : 1
    const scales = fresh.weights.map((_, i) => (i < places[1]! ? 1 : ratio))
    // In µP the last layer begins smaller by √(width) and its rate falls with the width, as that of all layers that read the width does.
    for (let i = places[2]!; i < places[3]!; i++) fresh.weights[i]! *= Math.sqrt(ratio)
    const { loss } = measured(trainedOn(fresh, data, { steps: 120, batch: 32, rate, scales }, draw), test)
    return Number.isFinite(loss) ? loss : 100
  }
}
