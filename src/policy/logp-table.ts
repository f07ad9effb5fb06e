/** Log-probabilities by keys of 104 bits: the newest ones, as many as fit. */
export interface LogpTable {
  get(key: Key): number | undefined
  set(key: Key, logp: number): void
  /** Lets go of what is oldest where there is too much; nothing is let go before. */
  trim(): void
}

/** Two numbers of 52 bits. */
export type Key = readonly [number, number]

/** The key that begins a hash in hexadecimal. */
export function keyFrom(hash: string): Key {
  return [Number.parseInt(hash.slice(0, 13), 16), Number.parseInt(hash.slice(13, 26), 16)]
}

/** A million of them, or two: so many are kept, in some 100 MB at most. */
const generation = 2 ** 20

/** An empty table, in typed arrays. */
export function logpTable(most = generation): LogpTable {
  let [young, old] = [part(), part()]
  return {
    get: (key) => young.get(key) ?? old.get(key),
    set: (key, logp) => young.set(key, logp),
    trim() {
      if (young.size() < most) return
      old = young
      young = part()
    },
  }
}

function part() {
  // Three numbers for each: the key's two, the first of which is one more than it is, and the value.
  let rows = new Float64Array(3 * 2 ** 8)
  let size = 0
  const placeOf = ([a, b]: Key) => {
    const mask = rows.length / 3 - 1
    let at = (a ^ b) & mask
    while (rows[3 * at] !== 0 && !(rows[3 * at] === a + 1 && rows[3 * at + 1] === b)) at = (at + 1) & mask
    return 3 * at
  }
  const put = (key: Key, logp: number) => {
    const at = placeOf(key)
    if (rows[at] === 0) size++
    rows.set([key[0] + 1, key[1], logp], at)
  }
  return {
    size: () => size,
    get(key: Key) {
      const at = placeOf(key)
      return rows[at] === 0 ? undefined : rows[at + 2]!
    },
    set(key: Key, logp: number) {
      if (2 * size >= rows.length / 3) {
        const before = rows
        rows = new Float64Array(2 * before.length)
        size = 0
        for (let at = 0; at < before.length; at += 3) if (before[at] !== 0) put([before[at]! - 1, before[at + 1]!], before[at + 2]!)
      }
      put(key, logp)
    },
  }
}
