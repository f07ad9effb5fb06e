import { random } from '../src/random/index.ts'

/** A seeded source of choices. */
export interface Choice {
  /** A whole number below n. */
  below(n: number): number
  of<T>(list: readonly T[]): T
}

const streams = new Map<number, ReturnType<typeof random>>()

/** Choices of the i-th input of a run. */
export function choiceOf(seed: number, i: number): Choice {
  const { uniform } = streams.get(seed) ?? random(seed, 'fuzz')
  if (!streams.has(seed)) streams.set(seed, random(seed, 'fuzz'))
  let drawn = 0
  const below = (n: number) => Math.floor(uniform(i, drawn++) * n)
  return { below, of: (list) => list[below(list.length)]! }
}

const wholes = [0n, 1n, 2n, 31n, 33n, 255n, 1n << 31n, 1n << 32n, 1n << 40n, (1n << 53n) - 1n, 1n << 53n, 1n << 62n, 1n << 63n, (1n << 64n) - 1n] // biome-ignore format: one list

/** A file with one to three mistakes: cut, bits turned, a number that lies, bytes added, taken out, or repeated; most lie in the header. */
export function spoilBytes(file: Buffer, header: number, choose: Choice): Buffer {
  let bytes = Buffer.from(file)
  for (let mistakes = 1 + choose.below(3); mistakes > 0 && bytes.length > 0; mistakes--) {
    const within = choose.below(4) > 0 ? Math.min(header, bytes.length) : bytes.length
    const at = choose.below(within)
    const some = 1 + choose.below(16)
    switch (choose.below(7)) {
      case 0:
        bytes = bytes.subarray(0, at)
        break
      case 1:
        bytes[at]! ^= 1 << choose.below(8)
        break
      case 2:
        bytes[at] = choose.below(256)
        break
      case 3: {
        const lie = choose.of(wholes)
        if (at + 8 <= bytes.length) bytes.writeBigUInt64LE(lie, at)
        break
      }
      case 4:
        if (at + 4 <= bytes.length) bytes.writeUInt32LE(Number(choose.of(wholes) & 0xffff_ffffn), at)
        break
      case 5:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + some)])
        break
      default:
        bytes = Buffer.concat([bytes.subarray(0, at + some), bytes.subarray(at)])
    }
  }
  return bytes
}

const oddities: readonly unknown[] = [
  ...[null, true, false, 0, -1, 0.5, 1e308, -0, 2 ** 31, 2 ** 53, 2 ** 63, '', 'NaN', 'F64', 'x'.repeat(5000), '\ufeff', '\u0000'],
  ...[[], {}, [[]], [0, 8], [8, 0], [0, 2 ** 53], [-4, 4], { toString: 1 }],
]

/** JSON text with one to three mistakes in its values, its keys, its nesting or its letters. */
export function spoilJson(text: string, choose: Choice): string {
  const json = JSON.parse(text)
  for (let mistakes = 1 + choose.below(3); mistakes > 0; mistakes--) {
    const places: [Record<string, unknown>, string][] = []
    // Deep nesting is one of the mistakes; those after it are made above it.
    const walk = (value: unknown, depth = 0) => {
      if (typeof value !== 'object' || value === null || depth > 200) return
      for (const key of Object.keys(value)) {
        places.push([value as Record<string, unknown>, key])
        walk((value as Record<string, unknown>)[key], depth + 1)
      }
    }
    walk(json)
    if (places.length === 0) break
    const [parent, key] = choose.of(places)
    const [other, otherKey] = choose.of(places)
    switch (choose.below(6)) {
      case 0:
      case 1:
        parent[key] = structuredClone(choose.of(oddities))
        break
      case 2:
        delete parent[key]
        break
      case 3:
        parent[key] = structuredClone(other[otherKey])
        break
      case 4:
        parent[choose.of(['__proto__', 'constructor', 'NaN', '', 'model', `${key}\u0000`])] = structuredClone(parent[key])
        break
      default:
        if (typeof parent[key] === 'number') parent[key] = choose.of([1, -1, 0.1, 2 ** 53]) + parent[key]
        else parent[key] = [parent[key]]
    }
  }
  const spoilt = JSON.stringify(json)
  switch (choose.below(12)) {
    case 0:
      return spoilt.slice(0, choose.below(spoilt.length + 1))
    case 1: {
      const at = choose.below(spoilt.length + 1)
      const depth = 10 ** (1 + choose.below(5))
      return spoilt.slice(0, at) + choose.of(['[', '{"a":']).repeat(depth) + spoilt.slice(at)
    }
    case 2: {
      // Deep, and JSON nevertheless.
      const depth = 10 ** (1 + choose.below(5))
      return spoilt.replace(/:(\d+|null|true|false|"\w*")/, `:${'['.repeat(depth)}${']'.repeat(depth)}`)
    }
    case 3:
      // The same key twice: the last one counts.
      return spoilt.replace(/^\{("[^"]*":)/, `{$1${choose.of(['null', '1', '[]', '"x"'])},$1`)
    default:
      return spoilt
  }
}

const words = ['{%', '%}', '{{', '}}', '|', '(', ')', '[', ']', "'", '"', '.', ',', ':', ' ', '\n', '\r\n', '\\', '\u0000', '\ud800', '🙂', '\ufeff', '1', '-1', '1e999', 'null', 'true', '{', '}', 'for', 'endfor', 'if', 'endif', 'set', 'in', 'is', 'not', 'break', 'strip', 'length', 'range(9999999999)', 'messages', 'x'.repeat(3000)] // biome-ignore format: one list

/** A text with one to four mistakes: cut, a part left out, twice or elsewhere, something put in. */
export function spoilText(text: string, choose: Choice): string {
  let said = text
  for (let mistakes = 1 + choose.below(4); mistakes > 0; mistakes--) {
    const at = choose.below(said.length + 1)
    const to = Math.min(said.length, at + choose.below(20))
    switch (choose.below(6)) {
      case 0:
        said = said.slice(0, at)
        break
      case 1:
        said = said.slice(0, at) + said.slice(to)
        break
      case 2:
        said = said.slice(0, to) + said.slice(at)
        break
      case 3:
        said = said.slice(0, at) + choose.of(words).repeat(1 + choose.below(3)) + said.slice(to)
        break
      default:
        said = said.slice(0, at) + choose.of(words) + said.slice(at)
    }
  }
  return said
}
