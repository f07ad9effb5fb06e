import { UserError } from '../graph/index.ts'
import type { Operator } from './operator.ts'
import { addScaled, dot, norm, type Vector } from './vector.ts'

export interface SolveOptions {
  /** What is added to the diagonal. */
  readonly damping: number
  /** Stops when ‖b − (A + damping)x‖ is below this share of ‖b‖. Default 1e-6. */
  readonly tolerance?: number
  /** The most products. Default 200. */
  readonly most?: number
}

/** A solution as far as it came. */
export interface Solution {
  readonly x: Vector
  /** ‖b − (A + damping)x‖ / ‖b‖ */
  readonly residual: number
  readonly converged: boolean
  readonly products: number
}

/**
 * (A + damping·I)⁻¹·b by conjugate gradients: the influence of data on parameters is such a product.
 *
 * throws  UserError where A + damping·I curves down along a direction, since the method holds for positive definite matrices
 * source  Hestenes and Stiefel 1952, J. Res. Natl. Bur. Stand. 49:409
 */
export async function solve(of: Operator, b: Vector, { damping, tolerance = 1e-6, most = 200 }: SolveOptions): Promise<Solution> {
  const x = new Float64Array(b.length)
  const rest = b.slice()
  const direction = b.slice()
  const length = norm(b)
  let square = dot(rest, rest)
  let products = 0
  while (Math.sqrt(square) > tolerance * length && products < most) {
    const product = addScaled(await of.apply(direction), damping, direction)
    products++
    const curvature = dot(direction, product)
    if (!(curvature > 0))
      throw new UserError(
        `solve: ${of.name} + damping must be positive definite, got a curvature of ${curvature / dot(direction, direction)} along a direction, with damping ${damping}; damp more, or take gaussNewton`,
      )
    const step = square / curvature
    addScaled(x, step, direction)
    addScaled(rest, -step, product)
    const before = square
    square = dot(rest, rest)
    for (let i = 0; i < direction.length; i++) direction[i] = rest[i]! + (square / before) * direction[i]!
  }
  const residual = length === 0 ? 0 : Math.sqrt(square) / length
  return { x, residual, converged: residual <= tolerance, products }
}
