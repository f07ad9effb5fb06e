import { ancestors, broadcastTo, gradient, input, matmul, reshape, sizeOf, sum, takeRows, transpose, type Value } from '../graph/index.ts'
import { consumersOf, type Use, usesOf } from './parameter-uses.ts'
import type { TracedRisk } from './trace-risk.ts'

/** Of which positions something is: of the tokens, or of those whose next token is asked for. */
export type Kind = 'tokens' | 'wanted'

/** How many positions there are, and the most that one tree has. */
export type Places = Readonly<Record<Kind, { readonly count: number; readonly length: number }>>

/** Names of what squaredNorms reads besides the risk's inputs, [trees, length] of a kind; `at` i32 and `real` f32. */
export const fed = {
  at: (kind: Kind) => `norms.at.${kind}`,
  real: (kind: Kind) => `norms.real.${kind}`,
  /** f32[trees, length, length]: 1 where two positions pick one row. */
  same: (a: Picked, b: Picked) => `norms.same.${a.name}.${b.name}`,
  /** i32[trees, length, length]: where, in [positions × width], the entry lies that a position of the second kind picks. */
  pick: (kind: Kind, width: number, b: Picked) => `norms.pick.${kind}.${width}.${b.name}`,
}

/** An input that says which row each position picks. */
interface Picked {
  readonly name: string
  readonly kind: Kind
}

/** The gradient of a parameter as Σ over positions of left ⊗ right; left is a row for each position, or which row alone. */
interface Factors {
  readonly kind: Kind
  readonly left: Value | Picked
  readonly right: Value
}

/**
 * ‖g‖² of each tree by parameter, f32[trees], of those parameters whose uses tell trees apart.
 *
 * shape   trees come from `fed.at`, which lists each one's positions, and `fed.real`
 */
export function squaredNorms(
  { losses, total, wrt, inputs }: TracedRisk,
  places: Places,
): { readonly outputs: Record<string, Value>; readonly inputs: Record<string, Value> } {
  const more: Record<string, Value> = {}
  const lazily = (name: string, shape: readonly number[], dtype: 'f32' | 'i32') => (more[name] ??= input(name, shape, dtype))
  const trees = losses.shape[0]!
  const kindOf = kindsIn(losses, [inputs.wanted!, inputs.targets!])
  const consumers = consumersOf(losses)
  const known = Object.entries(wrt).flatMap(([name, parameter]) => {
    const uses = usesOf(parameter, consumers)
    return uses && uses.length > 0 && uses.every((use) => fits(use, places[kindOf(use.output)].count)) ? [{ name, parameter, uses }] : []
  })
  const read = [...new Set(known.flatMap(({ uses }) => uses.map(({ output }) => output)))]
  const slopes = gradient(total, Object.fromEntries(read.map((value, i) => [String(i), value])))
  const slopeOf = (value: Value) => slopes[String(read.indexOf(value))]!

  const gather = (kind: Kind, x: Value) => takeRows(x, lazily(fed.at(kind), [trees, places[kind].length], 'i32'))
  const masked = (kind: Kind, x: Value) =>
    gather(kind, x).mul(reshape(lazily(fed.real(kind), [trees, places[kind].length], 'f32'), [trees, places[kind].length, 1]))

  function factorsOf(use: Exclude<Use, { kind: 'spread' }>): Factors {
    const slope = reshape(slopeOf(use.output), [places[kindOf(use.output)].count, use.output.shape.at(-1)!])
    const kind = kindOf(use.output)
    if (use.kind === 'rows') return { kind, left: { name: use.index.attrs.name as string, kind }, right: slope }
    return use.transposed ? { kind, left: use.other, right: slope } : { kind, left: slope, right: use.other }
  }

  /** Σ of products of the entries of two gradients, of each tree. */
  function between(a: Factors, b: Factors): Value {
    const [p, q] = [places[a.kind].length, places[b.kind].length]
    const right = matmul(masked(a.kind, a.right), transpose(masked(b.kind, b.right)))
    const left = leftProducts(a, b, [trees, p, q])
    return sum(left.mul(right), [1, 2])
  }

  function leftProducts(a: Factors, b: Factors, shape: readonly number[]): Value {
    if ('id' in a.left && 'id' in b.left) return matmul(gather(a.kind, a.left), transpose(gather(b.kind, b.left)))
    if ('id' in a.left) {
      const width = a.left.shape.at(-1)!
      const at = lazily(fed.pick(a.kind, width, b.left as Picked), shape, 'i32')
      return takeRows(reshape(a.left, [sizeOf(a.left.shape)]), at)
    }
    if ('id' in b.left) return transpose(leftProducts(b, a, [shape[0]!, shape[2]!, shape[1]!]))
    return lazily(fed.same(a.left, b.left), shape, 'f32')
  }

  function ofFactors(all: readonly Factors[]): Value {
    const first = all[0]!
    if (all.length === 1 && 'id' in first.left) {
      const [rows, columns] = [first.left.shape.at(-1)!, first.right.shape.at(-1)!]
      if (rows * columns < places[first.kind].length * (rows + columns)) {
        const whole = matmul(transpose(gather(first.kind, first.left)), masked(first.kind, first.right))
        return sum(whole.mul(whole), [1, 2])
      }
    }
    const terms = all.flatMap((a, i) => all.slice(i).map((b, k) => (k === 0 ? between(a, b) : between(a, b).mul(2))))
    return terms.reduce((x, y) => x.add(y))
  }

  function ofSpread(parameter: Value, uses: readonly Extract<Use, { kind: 'spread' }>[]): Value {
    const perTree = uses.map(({ slot, output }) => {
      const wide = broadcastTo(parameter, output.shape)
      const slope = output.op.grad!({ ...output.inputs, [slot]: wide, dy: slopeOf(output), y: output } as never, output.attrs)[
        slot as never
      ] as Value
      const byPosition = output.shape.length === 4 ? sum(slope, [1]) : slope
      const kind = kindOf(output)
      return sum(masked(kind, reshape(byPosition, [places[kind].count, parameter.shape[0]!])), [1])
    })
    const whole = perTree.reduce((x, y) => x.add(y))
    return reshape(sum(whole.mul(whole), [-1]), [trees])
  }

  const outputs = known.map(({ name, parameter, uses }) => {
    const spread = uses.filter((use) => use.kind === 'spread')
    return [name, spread.length > 0 ? ofSpread(parameter, spread) : reshape(ofFactors(uses.map((use) => factorsOf(use as never))), [trees])]
  })
  return { outputs: Object.fromEntries(outputs), inputs: more }
}

/** Whether what is read has one row for each position. */
function fits({ kind, output: { shape } }: Use, count: number): boolean {
  if (kind === 'spread' && shape.length === 4) return shape[0]! * shape[2]! === count
  return shape.length <= 3 && sizeOf(shape.slice(0, -1)) === count
}

/** What is computed from the places whose next token is asked for has one row for each of them, all else one for each token. */
function kindsIn(losses: Value, wanted: readonly Value[]): (value: Value) => Kind {
  const later = new Set(wanted)
  for (const value of ancestors([losses])) if (Object.values(value.inputs).some((one) => later.has(one))) later.add(value)
  return (value) => (later.has(value) ? 'wanted' : 'tokens')
}
