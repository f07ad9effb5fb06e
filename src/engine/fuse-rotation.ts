import type { Lowering, Value } from '../graph/index.ts'
import type { Fusion } from './fuse.ts'

/** x with its halves turned by angles. */
export interface Rotated {
  readonly x: Value
  /** f32[B or 1, 1, T, headDim / 2] */
  readonly cos: Value
  readonly sin: Value
  readonly backwards: boolean
}

/** Recognises halves l and r of the last axis turned by an angle, either way: l·cos ∓ r·sin beside r·cos ± l·sin. */
export function rotated(value: Value): Rotated | undefined {
  if (value.op.name !== 'concat' || value.shape.length !== 4 || value.attrs.axis !== 3) return undefined
  const [left, right, ...more] = Object.values(value.inputs).map(terms)
  if (!left || !right || more.length > 0 || left.length !== 2 || right.length !== 2) return undefined
  const x = left[0]!.x
  const half = value.shape[3]! / 2
  if (left.some((term) => term.x !== x) || right.some((term) => term.x !== x) || x.shape[3] !== 2 * half) return undefined
  const at = (list: readonly Term[], start: number) => list.find((term) => term.start === start && term.end === start + half)
  const [lCos, rSin, rCos, lSin] = [at(left, 0), at(left, half), at(right, half), at(right, 0)]
  if (!lCos || !rSin || !rCos || !lSin || lCos.factor !== rCos.factor || lSin.factor !== rSin.factor) return undefined
  const [cos, sin] = [lCos.factor, lSin.factor]
  const perRow = cos.shape.length === 4 && cos.shape[1] === 1 && cos.shape[2] === x.shape[2] && cos.shape[3] === half
  const signed = lCos.sign === 1 && rCos.sign === 1 && lSin.sign === -rSin.sign
  if (!perRow || !signed || String(cos.shape) !== String(sin.shape)) return undefined
  return { x, cos, sin, backwards: lSin.sign !== 1 }
}

/** RotaryEmbedding, which takes angles from a table. */
export function rotation(value: Value): Fusion | undefined {
  const known = rotated(value)
  if (!known) return undefined
  const { x, cos, sin, backwards } = known
  const [batch, , length, width] = x.shape as [number, number, number, number]
  const rows = cos.shape[0]!
  return {
    needs: [x, cos, sin],
    lower(g, [input, c, s]) {
      const table = (name: string) => g.reshape(name, [rows * length, width / 2])
      const angle = backwards ? g.node('Neg', [table(s!)]) : table(s!)
      return g.node('RotaryEmbedding', [input!, places(g, batch, length, rows), table(c!), angle])
    },
  }
}

/** Which row of a table of angles each position reads. */
function places(g: Lowering, batch: number, length: number, rows: number): string {
  const key = `${batch} ${length} ${rows}`
  const known = written.get(g) ?? new Map<string, string>()
  written.set(g, known)
  if (!known.has(key)) {
    const each = Array.from({ length: batch * length }, (_, i) => (rows === 1 ? i % length : i))
    known.set(key, g.node('Reshape', [g.i64(each), g.i64([batch, length])]))
  }
  return known.get(key)!
}
// Every block turns its queries and keys by the same angles; the list is long, so it is written once.
const written = new WeakMap<Lowering, Map<string, string>>()

interface Term {
  readonly x: Value
  readonly start: number
  readonly end: number
  readonly factor: Value
  readonly sign: number
}

/** A sum of slices of the last axis, each times a factor. */
function terms(value: Value): Term[] {
  const { a, b } = value.inputs
  if (value.op.name === 'add') return [...terms(a!), ...terms(b!)]
  if (value.op.name === 'sub') return [...terms(a!), ...terms(b!).map((term) => ({ ...term, sign: -term.sign }))]
  if (value.op.name !== 'mul') return []
  const negative = a!.op.name === 'neg'
  const part = negative ? a!.inputs.x! : a!
  if (part.op.name !== 'slice' || part.attrs.axis !== part.shape.length - 1) return []
  const { start, end } = part.attrs as { start: number; end: number }
  return [{ x: part.inputs.x!, start, end, factor: b!, sign: negative ? -1 : 1 }]
}
