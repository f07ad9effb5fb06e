import { type Shape, sizeOf, UserError } from '../graph/index.ts'
import type { Vector } from './vector.ts'

/** Where a tensor lies in a vector of all parameters. */
export interface Part {
  readonly name: string
  readonly start: number
  readonly shape: Shape
}

/** A symmetric matrix that is known by its products with vectors: what spectra, traces and inverses here are of. */
export interface Operator {
  readonly name: string
  /** It is size × size. */
  readonly size: number
  readonly parts: readonly Part[]
  /**
   * A·v, anew.
   *
   * throws  UserError for a vector of another size, and when a product is not finite
   */
  apply(v: Vector): Promise<Vector>
  /**
   * The rows and columns of some parts: a principal block.
   *
   * throws  UserError for a name that no part has
   */
  block(names: readonly string[]): Operator
}

/** How an operator multiplies. */
export interface OperatorRules {
  readonly name?: string
  /** Default: one part, called `all`. */
  readonly parts?: readonly Part[]
  readonly apply: (v: Vector) => Vector | Promise<Vector>
  /** A cheaper way to multiply by a block; default: the whole product of a vector that is zero elsewhere. */
  readonly block?: (parts: readonly Part[]) => Operator
}

/** Whether every number is finite: 0 times one that is not is not 0. */
function allFinite(v: Vector): boolean {
  let sum = 0
  for (let i = 0; i < v.length; i++) sum += 0 * v[i]!
  return sum === 0
}

/** The operator that multiplies so; it must be symmetric, which is not checked. */
export function operator(size: number, rules: OperatorRules): Operator {
  const { name = 'operator', parts = [{ name: 'all', start: 0, shape: [size] }] } = rules
  const whole: Operator = {
    name,
    size,
    parts,
    async apply(v) {
      if (v.length !== size) throw new UserError(`${name}: a vector must have ${size} numbers, got ${v.length}; lay it out by its parts`)
      const product = await rules.apply(v)
      if (allFinite(product)) return product
      const wrong = product.findIndex((x) => !Number.isFinite(x))
      throw new UserError(`${name}: a product must be finite, got ${product[wrong]} ${placeIn(parts, wrong)}; look there first`)
    },
    block(names) {
      const chosen = names.map((wanted) => {
        const part = parts.find((one) => one.name === wanted)
        if (part) return part
        throw new UserError(
          `${name}: a block must be of its parts, got ${wanted}; they are named as ${parts.slice(0, 3).map((one) => one.name)}`,
        )
      })
      return rules.block?.(chosen) ?? blockOf(whole, chosen)
    },
  }
  return whole
}

/**
 * A matrix as it is written.
 *
 * throws  UserError when it is not square and symmetric
 */
export function dense(rows: readonly (readonly number[])[]): Operator {
  const size = rows.length
  const odd = rows.findIndex((row, i) => row.length !== size || row.some((x, k) => x !== rows[k]?.[i]))
  if (size === 0 || odd >= 0)
    throw new UserError(`dense: a matrix must be square and symmetric, got row ${odd} of ${size} that is not; give (A + Aᵀ)/2`)
  return operator(size, {
    name: 'dense',
    apply: (v) => Float64Array.from(rows, (row) => row.reduce((sum, x, k) => sum + x * v[k]!, 0)),
  })
}

/** A + s·I. */
export function shifted(of: Operator, s: number): Operator {
  return operator(of.size, {
    name: of.name,
    parts: of.parts,
    apply: async (v) => (await of.apply(v)).map((x, i) => x + s * v[i]!),
    block: (parts) => shifted(of.block(parts.map(({ name }) => name)), s),
  })
}

/** Parts, one after the other. */
export function laidOut(shapes: Readonly<Record<string, Shape>>): { readonly size: number; readonly parts: readonly Part[] } {
  let size = 0
  const parts = Object.entries(shapes).map(([name, shape]) => {
    const start = size
    size += sizeOf(shape)
    return { name, start, shape }
  })
  return { size, parts }
}

/** The numbers of a part, a view. */
export function numbersOf(v: Vector, { start, shape }: Part): Vector {
  return v.subarray(start, start + sizeOf(shape))
}

function blockOf(whole: Operator, chosen: readonly Part[]): Operator {
  const { size, parts } = laidOut(Object.fromEntries(chosen.map(({ name, shape }) => [name, shape])))
  return operator(size, {
    name: whole.name,
    parts,
    async apply(v) {
      const wide = new Float64Array(whole.size)
      for (const [i, part] of chosen.entries()) numbersOf(wide, part).set(numbersOf(v, parts[i]!))
      const product = await whole.apply(wide)
      const narrow = new Float64Array(size)
      for (const [i, part] of chosen.entries()) numbersOf(narrow, parts[i]!).set(numbersOf(product, part))
      return narrow
    },
  })
}

function placeIn(parts: readonly Part[], at: number): string {
  const part = parts.find(({ start, shape }) => at < start + sizeOf(shape))!
  return `in ${part.name}`
}
