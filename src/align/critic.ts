import { CholeskyDecomposition, Matrix } from 'ml-matrix'
import type { Example } from '../objectives/index.ts'
import { over, type Policy, type See } from '../policy/index.ts'

/** How many rollouts before the one that is valued a critic is fitted to. */
const before = 8

/** What a critic has of one rollout: the sums of a least-squares fit. */
interface Sums {
  readonly count: number
  /** Σ φφᵀ and Σ φ·return, with a constant as the last feature. */
  readonly square: Matrix
  readonly side: Matrix
}

/** Says of each token of a completion what return to expect from it on. */
export interface Critic {
  /** Whether it still needs a rollout, counting from 0, to value a later one. */
  lacks(at: number, valued: number): boolean
  /** Takes what came of a rollout. */
  learn(at: number, examples: readonly Example[], returns: Returns): Promise<void>
  values(at: number, examples: readonly Example[]): Promise<number[][][]>
}

/** Of each token of each completion of an example: what came from it on, without a critic. */
export type Returns = (example: Example) => readonly (readonly number[])[]

/**
 * A critic that is linear in the reference's last state before each token, fitted by ridge regression to the returns of the rollouts before. It has no
 * gradient step of its own: each fit is the least-squares optimum, so that no rate and no weight of a value loss is to be chosen.
 *
 * units   those of the reward
 * limits  of the first rollout it says 0; the fit takes the third power of the width once a rollout
 */
export function openCritic(reference: Policy, signal?: AbortSignal): Critic {
  const known = new Map<number, Sums>()
  const width = reference.config.hiddenSize + 1
  return {
    lacks: (at, valued) => at >= valued - before && !known.has(at),
    async learn(at, examples, returns) {
      if (known.has(at)) return
      const states = await statesOf(reference, examples, signal)
      known.set(at, sumsOf(states, examples.flatMap((example) => returns(example)).flat(), width)) // biome-ignore format: one line
      known.delete(at - before)
    },
    async values(at, examples) {
      const used = [...known].filter(([one]) => one < at && one >= at - before).map(([, sums]) => sums)
      if (used.length === 0) return examples.map(({ tree }) => tree.completions.map((ids) => ids.map(() => 0)))
      const weights = fitted(used, width)
      const states = await statesOf(reference, examples, signal)
      let row = 0
      return examples.map(({ tree }) => tree.completions.map((ids) => ids.map(() => valueAt(states, row++, weights, width))))
    },
  }
}

const lastState: See = ({ tap }) => ({ state: tap('final') })

/** The state before each token of each completion, one row after the other. */
async function statesOf(policy: Policy, examples: readonly Example[], signal: AbortSignal | undefined): Promise<Float32Array> {
  const trees = examples.map(({ tree }) => tree)
  const { state } = await over(policy, trees, lastState, { per: 'token', ...(signal ? { signal } : {}) })
  const width = policy.config.hiddenSize
  const data = state!.data as Float32Array
  const tokens = trees.reduce((sum, { completions }) => sum + completions.reduce((n, { length }) => n + length, 0), 0)
  const rows = new Float32Array(tokens * width)
  let [from, to] = [0, 0]
  for (const { prompt, completions } of trees) {
    const asked = from + prompt.length - 1
    from += prompt.length
    for (const { length } of completions) {
      rows.set(data.subarray(asked * width, (asked + 1) * width), to++ * width)
      rows.set(data.subarray(from * width, (from + length - 1) * width), to * width)
      from += length - 1
      to += length - 1
    }
  }
  return rows
}

function sumsOf(states: Float32Array, returns: readonly number[], width: number): Sums {
  const inner = width - 1
  const [square, side] = [new Float64Array(width * width), new Float64Array(width)]
  const row = new Float64Array(width).fill(1)
  for (const [n, value] of returns.entries()) {
    for (let i = 0; i < inner; i++) row[i] = states[n * inner + i]!
    for (let i = 0; i < width; i++) {
      const x = row[i]!
      side[i]! += x * value
      for (let k = i; k < width; k++) square[i * width + k]! += x * row[k]!
    }
  }
  const matrix = new Matrix(width, width)
  for (let i = 0; i < width; i++)
    for (let k = i; k < width; k++) {
      matrix.set(i, k, square[i * width + k]!)
      matrix.set(k, i, square[i * width + k]!)
    }
  return { count: returns.length, square: matrix, side: Matrix.columnVector(side) }
}

/** Ridge regression; the pull to 0 is a hundredth of the mean square of a feature, and none on the constant. */
function fitted(used: readonly Sums[], width: number): Float64Array {
  const [square, side] = [Matrix.zeros(width, width), Matrix.zeros(width, 1)]
  for (const one of used) {
    square.add(one.square)
    side.add(one.side)
  }
  const pull = (square.trace() - square.get(width - 1, width - 1)) / (width - 1) / 100
  for (let i = 0; i < width; i++) square.set(i, i, square.get(i, i) + (i < width - 1 ? pull : 1e-9))
  return Float64Array.from(new CholeskyDecomposition(square).solve(side).to1DArray())
}

function valueAt(states: Float32Array, row: number, weights: Float64Array, width: number): number {
  let value = weights[width - 1]!
  for (let i = 0; i < width - 1; i++) value += states[row * (width - 1) + i]! * weights[i]!
  return value
}
