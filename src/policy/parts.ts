import { type Tensor, UserError } from '../graph/index.ts'

/** Part of a tensor: what stands at the given places of its first axes, without a copy. `at(pattern, 3)` is the pattern of head 3. */
export function at({ dtype, shape, data }: Tensor, ...places: readonly number[]): Tensor {
  const from = places.reduce((flat, place, axis) => {
    const n = shape[axis]
    if (n === undefined || !Number.isInteger(place) || place < -n || place >= n)
      throw new UserError(`at: place ${axis} must be of an axis of [${shape}], got ${place}; negative ones count from the end`)
    return flat * n + (place < 0 ? place + n : place)
  }, 0)
  const rest = shape.slice(places.length)
  const size = rest.reduce((product, n) => product * n, 1)
  return { dtype, shape: rest, data: data.subarray(from * size, (from + 1) * size) }
}

/** The part of a tensor from a place to before another of its first axis, without a copy; negative ones count from the end. */
export function slice({ dtype, shape, data }: Tensor, from: number, to = shape[0] ?? 0): Tensor {
  const [n, ...rest] = shape
  if (n === undefined) throw new UserError('slice: a tensor must have an axis, got a single number')
  const [first, end] = [from, to].map((place) => Math.min(Math.max(place < 0 ? place + n : place, 0), n)) as [number, number]
  const size = rest.reduce((product, m) => product * m, 1)
  const rows = Math.max(end - first, 0)
  return { dtype, shape: [rows, ...rest], data: data.subarray(first * size, (first + rows) * size) }
}

/** The k largest numbers of a tensor with their flat places, largest first. */
export function top({ data }: Tensor, k: number): { readonly place: number; readonly value: number }[] {
  const best: { place: number; value: number }[] = []
  for (let place = 0; place < data.length; place++) {
    const value = data[place]!
    if (best.length === k && !(value > best[k - 1]!.value)) continue
    let i = best.length === k ? k - 1 : best.length
    for (; i > 0 && best[i - 1]!.value < value; i--) best[i] = best[i - 1]!
    best[i] = { place, value }
  }
  return k > 0 ? best : []
}
