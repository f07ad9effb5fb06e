import { topEigen } from './lanczos.ts'
import { numbersOf, type Operator } from './operator.ts'
import { participation, randomSigns, type Vector } from './vector.ts'

/** What a block of parameters has of the curvature. */
export interface BlockCurvature {
  readonly name: string
  readonly size: number
  /** The largest eigenvalue of the block. */
  readonly largest: number
  /** An eigenvalue of the block lies no further from it than this. */
  readonly residual: number
  /** How many of the block's entries its eigenvector has. */
  readonly participation: number
  /** The block's trace, and its standard error. */
  readonly trace: number
  readonly traceError: number
  /** The block's trace over that of all. */
  readonly traceShare: number
}

export interface BlockOptions {
  /** Names of parts by the name of their block; default: each part alone. */
  readonly groups?: Readonly<Record<string, readonly string[]>>
  /** Products of each block for its largest eigenvalue. Default 20. */
  readonly steps?: number
  /** Products of the whole for the traces. Default 10. */
  readonly samples?: number
  readonly seed?: number
}

/**
 * The largest eigenvalue of each block, the participation of its vector, and the block's share of the trace.
 *
 * limits  blocks of the matrix's diagonal: curvature between two blocks is in neither
 */
export async function blocks(of: Operator, options: BlockOptions = {}): Promise<readonly BlockCurvature[]> {
  const { steps = 20, samples = 10, seed = 0 } = options
  const groups = Object.entries(options.groups ?? Object.fromEntries(of.parts.map(({ name }) => [name, [name]])))
  const traces = await traceByPart(of, samples, seed)
  const total = sum(Object.values(traces).map((one) => mean(one)))
  const found: BlockCurvature[] = []
  for (const [name, parts] of groups) {
    const block = of.block(parts)
    const [top] = await topEigen(block, 1, { steps, seed })
    const perSample = Array.from({ length: samples }, (_, i) => sum(parts.map((part) => traces[part]![i]!)))
    const trace = mean(perSample)
    const spread = sum(perSample.map((x) => (x - trace) ** 2))
    found.push({
      name,
      size: block.size,
      largest: top!.value,
      residual: top!.residual,
      participation: participation(top!.vector),
      trace,
      traceError: samples > 1 ? Math.sqrt(spread / (samples - 1) / samples) : Number.NaN,
      traceShare: trace / total,
    })
  }
  return found
}

/**
 * The largest curvature with which steps of gradient descent stay stable, 2/lr; full-batch training rises to it by itself.
 *
 * limits  of plain descent, or with heavy-ball momentum; an optimizer that scales entries has it in its own coordinates
 * source  Cohen et al. 2021, arXiv:2103.00065
 */
export function edgeOfStability(lr: number, momentum = 0): number {
  return (2 * (1 + momentum)) / lr
}

/** Of each part, estimates of its trace: one for each product. */
async function traceByPart(of: Operator, samples: number, seed: number): Promise<Record<string, number[]>> {
  const found: Record<string, number[]> = Object.fromEntries(of.parts.map(({ name }) => [name, []]))
  for (let i = 0; i < samples; i++) {
    const v = randomSigns(of.size, seed, `blocks ${i}`)
    const product = await of.apply(v)
    for (const part of of.parts) found[part.name]!.push(along(numbersOf(v, part), numbersOf(product, part)))
  }
  return found
}

function along(a: Vector, b: Vector): number {
  return a.reduce((total, x, i) => total + x * b[i]!, 0)
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, x) => total + x, 0)
}

function mean(numbers: readonly number[]): number {
  return sum(numbers) / numbers.length
}
