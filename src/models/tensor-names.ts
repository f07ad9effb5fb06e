import { isLazy, lazyTensor } from '../files/lazy-tensor.ts'
import { type Shape, sizeOf, type Tensor, tensor } from '../graph/tensor.ts'
import { type DecoderConfig, familyOf } from './config.ts'
import type { Family, Packed } from './families/family.ts'
import { decoderParams } from './params.ts'

/** A tensor as a checkpoint stores it, and the parameters in it. */
export interface FileTensor {
  readonly name: string
  readonly shape: Shape
  readonly parts: readonly { readonly path: string; readonly shape: Shape }[]
  readonly transposed: boolean
  /** Into how many blocks of rows each part is cut before they are shuffled together; 1 where they lie one below the other. */
  readonly runs: number
}

/** The name of the stored tensor that a parameter is in, or is. */
export function tensorName(config: DecoderConfig, path: string): string {
  const found = namesByPath(familyOf(config)).get(path.replace(/\d+/, '*'))
  if (!found) throw new Error(`internal: ${config.family} must say where ${path} is stored`)
  return found.name.replace('*', blockOf(path))
}

/** Every tensor a checkpoint of this config stores, in the order of the parameters. */
export function fileTensors(config: DecoderConfig): FileTensor[] {
  const names = namesByPath(familyOf(config))
  const shapes = new Map<string, Shape>()
  decoderParams(config, (path, shape) => shapes.set(path, shape))
  const stored = new Map<string, FileTensor>()
  for (const [path, only] of shapes) {
    const { name: pattern, packed } = names.get(path.replace(/\d+/, '*'))!
    const name = pattern.replace('*', blockOf(path))
    if (stored.has(name)) continue
    const paths = packed?.paths.map((each) => each.replace('*', blockOf(path))) ?? [path]
    const parts = paths.map((each) => ({ path: each, shape: shapes.get(each)! }))
    const joined = [parts.reduce((rows, { shape }) => rows + shape[0]!, 0), ...only.slice(1)]
    const transposed = packed?.transposed ?? false
    stored.set(name, { name, shape: transposed ? joined.reverse() : joined, parts, transposed, runs: packed?.byHead ? config.heads : 1 })
  }
  return [...stored.values()]
}

/** The parameters in a stored tensor, in the order of its parts. One that is stored as it is stays the same tensor. */
export function unpack(stored: FileTensor, whole: Tensor): Tensor[] {
  const { parts, transposed, runs } = stored
  if (parts.length === 1 && !transposed) return [whole]
  if (isLazy(whole)) return parts.map(({ shape }, i) => lazyTensor(shape, (into) => into.set(unpack(stored, { ...whole })[i]!.data)))
  const { data } = transposed ? turned(whole) : whole
  const width = sizeOf(parts[0]!.shape.slice(1))
  if (parts.length === 1) return [{ ...whole, shape: parts[0]!.shape, data }]
  const out = parts.map(({ shape }) => new Float32Array(sizeOf(shape)))
  eachRun(parts, runs, width, (part, to, from, length) => {
    out[part]!.set((data as Float32Array).subarray(from, from + length), to)
  })
  return parts.map(({ shape }, i) => tensor(out[i]!, shape))
}

/** The inverse of unpack. */
export function pack({ shape, parts, transposed, runs }: FileTensor, tensors: readonly Tensor[]): Tensor {
  const width = sizeOf(parts[0]!.shape.slice(1))
  const joined = new Float32Array(sizeOf(shape))
  if (parts.length === 1 && !transposed) return tensors[0]!
  eachRun(parts, runs, width, (part, from, to, length) => {
    joined.set((tensors[part]!.data as Float32Array).subarray(from, from + length), to)
  })
  return transposed ? { ...turned(tensor(joined, [...shape].reverse())), shape } : tensor(joined, shape)
}

/** Calls with every run of rows: in which part, where there, where in the whole, and how many numbers. */
function eachRun(
  parts: FileTensor['parts'],
  runs: number,
  width: number,
  move: (part: number, inPart: number, inWhole: number, length: number) => void,
) {
  let at = 0
  for (let run = 0; run < runs; run++) {
    parts.forEach(({ shape }, part) => {
      const length = (shape[0]! / runs) * width
      move(part, run * length, at, length)
      at += length
    })
  }
}

function turned({ shape, data, dtype }: Tensor): Tensor {
  const [rows, columns] = shape as [number, number]
  const out = new Float32Array(data.length)
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = data[r * columns + c]!
  return { dtype, shape: [columns, rows], data: out }
}

function blockOf(path: string): string {
  return /\d+/.exec(path)?.[0] ?? ''
}

const known = new WeakMap<Family, Map<string, { name: string; packed?: Packed }>>()

function namesByPath(family: Family): Map<string, { name: string; packed?: Packed }> {
  let names = known.get(family)
  if (!names) {
    names = new Map(
      Object.entries(family.tensors).flatMap(([name, where]) =>
        typeof where === 'string' ? [[where, { name }] as const] : where.paths.map((path) => [path, { name, packed: where }] as const),
      ),
    )
    names.set('score', { name: 'score.weight' })
    known.set(family, names)
  }
  return names
}
