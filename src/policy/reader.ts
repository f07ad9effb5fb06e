import type { See } from './over.ts'

/** A function that returns taps, the same one for the same taps, since programs are kept by it. */
export function reader(taps: readonly string[]): See {
  const key = taps.join()
  const known = readers.get(key)
  if (known) return known
  const see: See = ({ tap }) => Object.fromEntries(taps.map((name) => [name, tap(name)]))
  // Of a name of its own, so that reading other taps is not taken for one function that is made again and again.
  Object.defineProperty(see, 'name', { value: `read:${key}` })
  readers.set(key, see)
  return see
}
const readers = new Map<string, See>()
