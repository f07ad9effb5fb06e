import { UserError } from '../graph/errors.ts'
import { isTensor, leaves, sameShape, type Tensor } from '../graph/index.ts'
import type { Checkpoint } from './checkpoint.ts'
import { type Act, type EditFile, isOfWeights, tensorsOf } from './edit-file.ts'

/** How a parameter differs between two models. */
export interface WeightDifference {
  /** Path of the parameter. */
  readonly weights: string
  /** How many of its numbers differ, of how many. */
  readonly changed: number
  readonly of: number
  /** ‖after − before‖, and that over ‖before‖. */
  readonly norm: number
  readonly relative: number
  readonly largest: number
}

/** What two edits do that differs; `cosine` where both name one direction of one width, or both add to weights. */
export interface ActDifference {
  readonly act: number
  readonly before?: string
  readonly after?: string
  readonly cosine?: number
}

/**
 * The parameters in which two models differ, in their order; of one that has a head of its own, the other's embedding is its head.
 *
 * throws  UserError for models of different shapes
 */
export function diffWeights(before: Pick<Checkpoint, 'name' | 'params'>, after: Pick<Checkpoint, 'name' | 'params'>): WeightDifference[] {
  const given = new Map(leaves(before.params, isTensor))
  const found = new Map(leaves(after.params, isTensor))
  const paths = new Set([...given.keys(), ...found.keys()])
  return [...paths].flatMap((path) => {
    const [a, b] = [given, found].map((of) => of.get(path) ?? (path === 'head' ? of.get('embed') : undefined))
    if (!a || !b || !sameShape(a.shape, b.shape))
      throw new UserError(
        `${after.name}: must have the parameters of ${before.name}, got another ${path}; compare models of one architecture`,
      )
    const one = difference(path, a, b)
    return one.changed > 0 ? [one] : []
  })
}

function difference(path: string, { data: a }: Tensor, { data: b }: Tensor): WeightDifference {
  let [changed, square, whole, largest] = [0, 0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    const d = b[i]! - a[i]!
    if (!Object.is(a[i], b[i])) changed++
    square += d * d
    whole += a[i]! ** 2
    largest = Math.max(largest, Math.abs(d))
  }
  return { weights: path, changed, of: a.length, norm: Math.sqrt(square), relative: Math.sqrt(square / whole), largest }
}

/** What two edits do that differs, act by act. */
export function diffEdits(before: EditFile, after: EditFile): ActDifference[] {
  return Array.from({ length: Math.max(before.acts.length, after.acts.length) }, (_, i) => {
    const [a, b] = [before.acts[i], after.acts[i]]
    const cosine = a && b && cosineOf(before, a, after, b)
    const same = a && b && describeAct(a) === describeAct(b) && sameTensors(before, a, after, b)
    const told = {
      act: i,
      ...(a ? { before: describeAct(a) } : {}),
      ...(b ? { after: describeAct(b) } : {}),
      ...(cosine === undefined ? {} : { cosine }),
    }
    return same ? undefined : told
  }).filter((one) => one !== undefined)
}

/** An act in words: `add 2 at blocks.3.out, completion`. */
export function describeAct(act: Act): string {
  if (isOfWeights(act)) {
    const paths = Object.keys(act.weights)
    const what = paths.length > 6 ? `${paths.length} parameters` : paths.join(', ')
    return `${act.kind}${'scale' in act && act.scale !== 1 ? ` × ${act.scale}` : ''} of ${what}`
  }
  const how = act.kind === 'add' ? ` ${act.strength}` : act.kind === 'clamp' ? ` to ${act.value}` : ''
  const { positions } = act
  const where =
    positions === 'all' ? '' : typeof positions === 'string' ? `, ${positions}` : `, positions ${positions.from} to ${positions.to}`
  return `${act.kind}${how} at ${act.at.join(', ')}${where}`
}

/** Of two directions of one width, or of two differences of weights, which are 0 where they name no parameter. */
function cosineOf(before: EditFile, a: Act, after: EditFile, b: Act): number | undefined {
  if ('direction' in a && 'direction' in b) return cosine([[before.tensors[a.direction]!, after.tensors[b.direction]!]], 1)
  if (a.kind !== 'delta' || b.kind !== 'delta') return undefined
  const paths = [...new Set([a, b].flatMap(({ weights }) => Object.keys(weights)))]
  const of = ({ tensors }: EditFile, { weights }: typeof a, path: string) =>
    weights[path] === undefined ? undefined : tensors[weights[path]]
  return cosine(paths.map((path) => [of(before, a, path), of(after, b, path)] as const), a.scale * b.scale) // biome-ignore format: one line
}

function cosine(pairs: readonly (readonly [Tensor | undefined, Tensor | undefined])[], sign: number): number | undefined {
  let [along, xx, yy] = [0, 0, 0]
  for (const [x, y] of pairs) {
    if (x && y && !sameShape(x.shape, y.shape)) return undefined
    const { data } = (x ?? y)!
    for (let i = 0; i < data.length; i++) {
      const [u, v] = [x?.data[i] ?? 0, y?.data[i] ?? 0]
      along += u * v
      xx += u * u
      yy += v * v
    }
  }
  return (Math.sign(sign) * along) / Math.sqrt(xx * yy)
}

function sameTensors(before: EditFile, a: Act, after: EditFile, b: Act): boolean {
  const [xs, ys] = [tensorsOf(a).map((key) => before.tensors[key]!), tensorsOf(b).map((key) => after.tensors[key]!)]
  return xs.every((x, i) => sameShape(x.shape, ys[i]!.shape) && x.data.every((value, k) => Object.is(value, ys[i]!.data[k])))
}
