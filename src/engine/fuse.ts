import type { Lowering, Value } from '../graph/index.ts'

/** A composite that ONNX Runtime has one kernel for: which values it needs and how it is written. */
export interface Fusion {
  readonly needs: readonly Value[]
  readonly lower: (g: Lowering, names: readonly string[]) => string
}

/**
 * Recognises a composite by the value it ends in; `users` counts who reads a value. The graph keeps its small set of ops; only the
 * lowering knows the larger kernels.
 *
 * Measured on ONNX Runtime 1.30: a number and the right side's transpose belong into a product (FusedMatMul); the left side's transpose
 * is written out, since a product that transposes its left side runs at half speed.
 *
 * source  ONNX Runtime contrib operators (com.microsoft): QuickGelu with alpha 1 is SiLU; FusedMatMul; RotaryEmbedding takes angles from
 *         a table; GroupQueryAttention. SimplifiedLayerNormalization is RMSNorm and returns the inverse root mean square that the gradient needs
 */
export function fusionOf(value: Value, users: ReadonlyMap<Value, number>): Fusion | undefined {
  return cachedAttention(value) ?? silu(value) ?? siluSlope(value) ?? rootMeanSquare(value) ?? product(value, users) ?? rotation(value)
}

/**
 * Attention of one new token a row to a cache, all results of one node: it reads a row no further than its length, and writes the new key
 * and value into the cache where the cache's own memory is given to it for its output.
 */
function cachedAttention(value: Value): Fusion | undefined {
  if (value.op.name !== 'composite' || value.attrs.name !== 'cachedAttention') return undefined
  const { result, scale, cap, window } = value.attrs as { result: string; scale: number; cap?: number; window?: number }
  const { q, k, v, keys, values, lengths } = value.inputs as Record<string, Value>
  const [B, heads, , headDim] = q!.shape as [number, number, number, number]
  const [, kvHeads, S] = keys!.shape as [number, number, number]
  if (headDim % 8 !== 0) return undefined // what the kernel demands
  return {
    needs: [q!, k!, v!, keys!, values!, lengths!],
    lower(g, [query, key, val, pastKeys, pastValues, past]) {
      const flat = (name: string, n: number) => g.node('Reshape', [name, g.i64([B, 1, n * headDim])])
      const columns = g.node('Cast', [g.i64([S])], { to: 6 })
      const [mixed, allKeys, allValues] = g.nodes(
        'GroupQueryAttention',
        [flat(query!, heads), flat(key!, kvHeads), flat(val!, kvHeads), pastKeys!, pastValues!, past!, columns],
        3,
        {
          num_heads: heads,
          kv_num_heads: kvHeads,
          scale,
          ...(cap ? { softcap: cap } : {}),
          ...(window ? { local_window_size: window } : {}),
        },
      ) as [string, string, string]
      if (result === 'keys') return allKeys
      if (result === 'values') return allValues
      return g.node('Reshape', [mixed, g.i64([...q!.shape])])
    },
  }
}

/** x · σ(x) */
function silu(value: Value): Fusion | undefined {
  if (value.op.name !== 'mul') return undefined
  const { a, b } = value.inputs
  if (b!.op.name !== 'sigmoid' || b!.inputs.x !== a) return undefined
  return { needs: [a!], lower: (g, [x]) => g.node('QuickGelu', [x!], { alpha: 1 }) }
}

/** g·σ + (g·x)·(σ·(1 − σ)), the gradient of SiLU, as g·(s + σ·(1 − s)) with s = SiLU(x): four passes instead of seven. */
function siluSlope(value: Value): Fusion | undefined {
  if (value.op.name !== 'add') return undefined
  const [first, second] = [value.inputs.a!, value.inputs.b!]
  if (first.op.name !== 'mul' || second.op.name !== 'mul') return undefined
  const { a: g, b: sigma } = first.inputs as { a: Value; b: Value }
  const { a: weighted, b: slope } = second.inputs as { a: Value; b: Value }
  if (sigma.op.name !== 'sigmoid' || weighted.op.name !== 'mul' || slope.op.name !== 'mul') return undefined
  const x = sigma.inputs.x!
  const rest = slope.inputs.b!
  const matches =
    weighted.inputs.a === g &&
    weighted.inputs.b === x &&
    slope.inputs.a === sigma &&
    rest.op.name === 'add' &&
    rest.inputs.a!.op.name === 'neg' &&
    rest.inputs.a!.inputs.x === sigma &&
    rest.inputs.b!.attrs.fill === 1
  if (!matches) return undefined
  return {
    needs: [g, x, sigma],
    lower(n, [dy, at, s]) {
      const y = n.node('QuickGelu', [at!], { alpha: 1 })
      return n.node('Mul', [dy!, n.node('Add', [n.node('Mul', [n.node('Sub', [n.f32(1), y]), s!]), y])])
    },
  }
}

/** c · (x · w), (c · x) · w and x · wᵀ. */
function product(value: Value, users: ReadonlyMap<Value, number>): Fusion | undefined {
  const factor = scaled(value)
  const outer = factor && users.get(factor.x) === 1 ? factor : undefined
  const inner = outer?.x ?? value
  if (inner.op.name !== 'matmul') return undefined
  const { a, b } = inner.inputs as { a: Value; b: Value }
  const left = scaled(a)
  const turned = b.op.name === 'transpose' && swapsLast(b.attrs.perm as readonly number[])
  if (!outer && !left && !turned) return undefined
  const alpha = (outer?.by ?? 1) * (left?.by ?? 1)
  return {
    needs: [left?.x ?? a, turned ? b.inputs.x! : b],
    lower: (g, [x, w]) => g.node('FusedMatMul', [x!, w!], { ...(turned ? { transB: 1 } : {}), ...(alpha === 1 ? {} : { alpha }) }),
  }
}

function swapsLast(perm: readonly number[]): boolean {
  const rank = perm.length
  return perm.every((axis, i) => axis === (i < rank - 2 ? i : 2 * rank - 3 - i))
}

/** x times a number. */
function scaled(value: Value): { x: Value; by: number } | undefined {
  const { a, b } = value.inputs
  return value.op.name === 'mul' && b!.op.name === 'constant' && b!.shape.length === 0 ? { x: a!, by: b!.attrs.fill as number } : undefined
}

/** Halves l and r of the last axis turned by an angle, either way: l·cos ∓ r·sin beside r·cos ± l·sin. */
function rotation(value: Value): Fusion | undefined {
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
  const [batch, , length] = x.shape as [number, number, number]
  const perRow = cos.shape.length === 4 && cos.shape[1] === 1 && cos.shape[2] === length && cos.shape[3] === half
  const signed = lCos.sign === 1 && rCos.sign === 1 && lSin.sign === -rSin.sign
  if (!perRow || !signed || String(cos.shape) !== String(sin.shape)) return undefined
  const rows = cos.shape[0]!
  return {
    needs: [x, cos, sin],
    lower(g, [input, c, s]) {
      const table = (name: string) => g.node('Reshape', [name, g.i64([rows * length, half])])
      const angle = lSin.sign === 1 ? table(s!) : g.node('Neg', [table(s!)])
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

/** 1 / √(mean x² + ε), and x times it: two outputs of one node. The gradient reads √(mean x² + ε) too, which is one over the first. */
function rootMeanSquare(value: Value): Fusion | undefined {
  const root = rms(value)
  if (root) return { needs: [root.x], lower: (g, [x]) => g.node('Reciprocal', [normalised(g, x!, root)[1]!]) }
  const inverse = inverseRms(value)
  if (inverse) return { needs: [inverse.x], lower: (g, [x]) => normalised(g, x!, inverse)[1]! }
  if (value.op.name !== 'mul') return undefined
  const scaled = inverseRms(value.inputs.b!)
  if (!scaled || scaled.x !== value.inputs.a) return undefined
  return { needs: [scaled.x], lower: (g, [x]) => normalised(g, x!, scaled)[0]! }
}

function normalised(g: Lowering, x: string, { epsilon, width }: Rms) {
  const ones = g.node('Expand', [g.f32(1), g.i64([width])])
  return g.nodes('SimplifiedLayerNormalization', [x, ones], 2, { axis: -1, epsilon })
}

function inverseRms(value: Value): Rms | undefined {
  return value.op.name === 'div' && value.inputs.a!.attrs.fill === 1 ? rms(value.inputs.b!) : undefined
}

interface Rms {
  readonly x: Value
  readonly epsilon: number
  readonly width: number
}

/** √(mean x² + ε) over the last axis. */
function rms(root: Value): Rms | undefined {
  if (root.op.name !== 'sqrt') return undefined
  const shifted = root.inputs.x!
  if (shifted.op.name !== 'add' || shifted.inputs.b!.op.name !== 'constant') return undefined
  const mean = shifted.inputs.a!
  if (mean.op.name !== 'mul' || mean.inputs.a!.op.name !== 'sum') return undefined
  const total = mean.inputs.a!
  const square = total.inputs.x!
  const width = square.shape.at(-1)!
  const overLast = String(total.attrs.axes) === String(square.shape.length - 1) && mean.inputs.b!.attrs.fill === 1 / width
  if (!overLast || square.op.name !== 'mul' || square.inputs.a !== square.inputs.b) return undefined
  return { x: square.inputs.a!, epsilon: shifted.inputs.b!.attrs.fill as number, width }
}
