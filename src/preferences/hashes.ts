/** A number of 53 bits that stands for some token ids. */
export function hashIds(ids: ArrayLike<number>, seed = 0): number {
  let [a, b] = [0xdeadbeef ^ seed, 0x41c6ce57 ^ seed]
  for (let i = 0; i < ids.length; i++) {
    a = Math.imul(a ^ ids[i]!, 0x9e3779b1)
    b = Math.imul(b ^ ids[i]!, 0x5f356495)
    a ^= a >>> 15
    b ^= b >>> 13
  }
  return finished(a, b, ids.length)
}

/** The same of a text. */
export function hashOfText(text: string, seed = 0): number {
  let [a, b] = [0xdeadbeef ^ seed, 0x41c6ce57 ^ seed]
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    a = Math.imul(a ^ code, 0x9e3779b1)
    b = Math.imul(b ^ code, 0x5f356495)
  }
  return finished(a, b, text.length)
}

/** The same of several such numbers, in their order. */
export function hashOf(...parts: readonly number[]): number {
  return hashIds(Uint32Array.from(parts.flatMap((part) => [part >>> 0, Math.floor(part / 2 ** 32)])))
}

function finished(a: number, b: number, length: number): number {
  let [x, y] = [a ^ length, b ^ length]
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b) ^ Math.imul(y ^ (y >>> 13), 0xc2b2ae35)
  y = Math.imul(y ^ (y >>> 16), 0x85ebca6b) ^ Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  // Never 0, which is what an empty place of a table holds.
  return 2 ** 32 * (y & 0x1fffff) + (x >>> 0) + 1
}

/** Numbers of hashIds, each with a small number of its own: some 20 bytes for each. */
export interface HashTable {
  readonly size: number
  /** Undefined where the number is not there. */
  get(hash: number): number | undefined
  set(hash: number, value: number): void
  hashes(): Iterable<number>
}

/**
 * A table of hashes in typed arrays.
 *
 * units   values are 32-bit whole numbers from 0
 * limits  of a million numbers two are taken for one with a probability of 1 in 18,000
 */
export function hashTable(): HashTable {
  let keys = new Float64Array(2 ** 10)
  let values = new Uint32Array(2 ** 10)
  let size = 0
  const placeOf = (hash: number) => {
    const mask = keys.length - 1
    let at = (hash ^ (hash / 2 ** 32)) & mask
    while (keys[at] !== 0 && keys[at] !== hash) at = (at + 1) & mask
    return at
  }
  const grow = () => {
    const [old, oldValues] = [keys, values]
    keys = new Float64Array(2 * old.length)
    values = new Uint32Array(2 * old.length)
    for (const [i, hash] of old.entries()) {
      if (hash === 0) continue
      const at = placeOf(hash)
      keys[at] = hash
      values[at] = oldValues[i]!
    }
  }
  return {
    get size() {
      return size
    },
    get(hash) {
      const at = placeOf(hash)
      return keys[at] === 0 ? undefined : values[at]
    },
    set(hash, value) {
      if (3 * size >= 2 * keys.length) grow()
      const at = placeOf(hash)
      if (keys[at] === 0) size++
      keys[at] = hash
      values[at] = value
    },
    *hashes() {
      for (const hash of keys) if (hash !== 0) yield hash
    },
  }
}
