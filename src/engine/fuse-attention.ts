import type { Shape, Tensor, Value } from '../graph/index.ts'
import { type Fusion, inBlocks } from './fuse.ts'
import { rotated } from './fuse-rotation.ts'
import { bare, flat } from './match.ts'
import type { Builder, Held } from './onnx-builder.ts'

/**
 * Attention of one new token a row to a cache, or of all of its first ones, all results of one node: it reads a row no further than its
 * length, and writes new keys and values into the cache where the cache's own memory is given to it for its output. Both are written alike.
 *
 * It turns queries and keys by itself where a table has their angles, and takes queries, keys and values as one product where the weights
 * of all three are constants.
 *
 * source  ONNX Runtime contrib operator GroupQueryAttention
 */
export function cachedAttention(value: Value, held: Held): Fusion | undefined {
  if (value.op.name !== 'composite' || value.attrs.name !== 'cachedAttention') return undefined
  const { result, scale, cap, window } = value.attrs as { result: string; scale: number; cap?: number; window?: number }
  const { q, k, v, keys, values, lengths } = value.inputs as Record<string, Value>
  const [B, heads, T, headDim] = q!.shape as [number, number, number, number]
  const [, kvHeads, S] = keys!.shape as [number, number, number]
  if (headDim % 8 !== 0) return undefined // what the kernel demands
  const turned = tabled(q!, k!, (index) => (T === 1 ? index === lengths : isFirst(index, T)), S)
  const [query, key] = turned ? [turned.q, turned.k] : [q!, k!]
  const packed = packedProduct([query, key, v!], held)
  const read = packed ? [packed.x] : [query, key, v!]
  const tables = turned ? [turned.cos, turned.sin] : []
  return {
    needs: [keys!, values!, lengths!, ...tables, ...read],
    lower(g, [pastKeys, pastValues, past, ...more]) {
      const angles = more.splice(0, tables.length)
      const columns = g.node('Cast', [g.i64([S])], { to: 6 })
      const given = packed
        ? [packed.lower(g, more[0]!, [B, T]), '', '']
        : [heads, kvHeads, kvHeads].map((n, i) => {
            const byToken = T === 1 ? more[i]! : g.node('Transpose', [more[i]!], { perm: [0, 2, 1, 3] })
            return g.reshape(byToken, [B, T, n * headDim])
          })
      const [mixed, allKeys, allValues] = g.nodes('GroupQueryAttention', [...given, pastKeys!, pastValues!, past!, columns, ...angles], 3, {
        num_heads: heads,
        kv_num_heads: kvHeads,
        scale,
        ...(turned ? { do_rotary: 1 } : {}),
        ...(cap ? { softcap: cap } : {}),
        ...(window ? { local_window_size: window } : {}),
      }) as [string, string, string]
      if (result === 'keys') return allKeys
      if (result === 'values') return allValues
      return g.reshape(g.shaped(mixed, [B, T, heads * headDim]), value.shape)
    },
  }
}

/** Queries and keys before they are turned, where both are by the angles that a table has at the positions of new tokens. */
function tabled(
  q: Value,
  k: Value,
  isPosition: (index: Value) => boolean,
  columns: number,
): { q: Value; k: Value; cos: Value; sin: Value } | undefined {
  const [a, b] = [rotated(bare(q)), rotated(bare(k))]
  if (!a || !b || a.backwards || b.backwards || a.cos !== b.cos || a.sin !== b.sin) return undefined
  const [cos, sin] = [tableOf(a.cos, isPosition), tableOf(a.sin, isPosition)]
  // What the kernel demands: an angle for every column, and pairs by the eight.
  if (!cos || !sin || cos.shape[0]! < columns || cos.shape[1]! % 8 !== 0) return undefined
  return { q: a.x, k: b.x, cos, sin }
}

/** The table whose rows at those positions the value is. */
function tableOf(value: Value, isPosition: (index: Value) => boolean): Value | undefined {
  const { op, inputs } = flat(value)
  return op.name === 'takeRows' && isPosition(flat(inputs.index!)) && inputs.x!.shape.length === 2 ? inputs.x! : undefined
}

/** Whether it is the positions of the first tokens, the same in every row. */
function isFirst({ op, attrs }: Value, count: number): boolean {
  const data = op.name === 'table' ? (attrs.tensor as Tensor).data : []
  return data.length === count && data.every((place: number, t: number) => place === t)
}

/** x · [w₁; w₂; …]ᵀ (+ [b₁; b₂; …]) for several x · wᵀ (+ b) of one x, all of whose weights are constants. */
function packedProduct(parts: readonly Value[], held: Held) {
  const products = parts.map((part) => productOf(part, held))
  const [first] = products
  const alike = first && products.every((one) => one && one.x === first.x && (one.bias === undefined) === (first.bias === undefined))
  if (!alike) return undefined
  const weights = products.map((one) => one!.weight)
  const biases = products.map((one) => one!.bias)
  const { x } = first
  return {
    x,
    lower(g: Builder, name: string, rows: Shape) {
      const width = x.shape.at(-1)!
      const given = g.reshape(name, [...rows, width])
      const y = inBlocks(held, width)
        ? g.blockProduct(given, weights, held.bits!)
        : g.node('FusedMatMul', [given, g.joined(weights)], { transB: 1 })
      return first.bias === undefined ? y : g.node('Add', [y, g.joined(biases as string[])])
    },
  }
}

function productOf(value: Value, held: Held): { x: Value; weight: string; bias?: string } | undefined {
  const constant = ({ op, attrs }: Value) => (op.name === 'input' && held.names.has(String(attrs.name)) ? String(attrs.name) : undefined)
  const apart = bare(value)
  // Heads that are set apart are the same numbers in another order, which the kernel does not need.
  const whole = flat(apart.op.name === 'transpose' && String(apart.attrs.perm) === '0,2,1,3' ? apart.inputs.x! : apart)
  const bias = whole.op.name === 'add' ? constant(whole.inputs.b!) : undefined
  const product = bias === undefined ? whole : flat(whole.inputs.a!)
  const { a, b } = product.op.name === 'matmul' ? product.inputs : {}
  const weight = b?.op.name === 'transpose' ? constant(b.inputs.x!) : undefined
  if (!a || weight === undefined) return undefined
  return { x: flat(a), weight, ...(bias === undefined ? {} : { bias }) }
}
