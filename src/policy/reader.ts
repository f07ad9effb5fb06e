import type { See } from './over.ts'

/** The same function for the same key, since programs are kept by it; the key is its name, so that several are not taken for one. */
export function kept(key: string, make: () => See): See {
  const known = sees.get(key)
  if (known) return known
  const see = make()
  Object.defineProperty(see, 'name', { value: key })
  sees.set(key, see)
  return see
}
const sees = new Map<string, See>()

/** A function that returns taps, the same one for the same taps. */
export function reader(taps: readonly string[]): See {
  return kept(
    `read:${taps.join()}`,
    () =>
      ({ tap }) =>
        Object.fromEntries(taps.map((name) => [name, tap(name)])),
  )
}
