import { meanInterval } from '../accept/index.ts'
import { vectorsAt } from '../checkpoints/check-edit.ts'
import { type EditFile, editTarget, makeEdit, residualStream } from '../checkpoints/index.ts'
import { tensor, UserError } from '../graph/index.ts'
import { tapsNamed } from '../models/taps.ts'
import { type Model, type Pool, pooled } from '../policy/index.ts'
import type { Estimate } from '../runs/index.ts'
import { type Activations, activationsOf, meanOf, oneHot, picked } from './activations.ts'
import { type ErasureScores, plainProbe } from './after-erasure.ts'
import { differenceOfMeans } from './directions.ts'
import type { LabelledTexts } from './labelled-texts.ts'
import { leace } from './leace.ts'
import { classesOf, type Linear, scoresOf } from './linear.ts'
import { logLoss } from './logistic.ts'
import { dealTexts } from './parts.ts'
import { finalStates, predictions } from './predictions.ts'
import { randomBasis } from './subspace.ts'

/** How a concept is taken out: the affine map that moves vectors least, or what lies along the difference of the means of two classes. */
export const eraseMethods = ['leace', 'direction'] as const
/** Where: at the tap that it was found at, or in all of the residual stream, which a folder of weights can hold. */
export const erasePlaces = ['tap', 'stream'] as const

export interface EraseOptions {
  readonly tap: string
  readonly method?: (typeof eraseMethods)[number]
  readonly where?: (typeof erasePlaces)[number]
  /** Which tokens stand for a text. Default `last`. */
  readonly pool?: Pool
  /** Share of the rarest class that is held out. Default 0.5. */
  readonly heldOut?: number
  readonly seed?: number
  /** Texts that say what it costs. */
  readonly control: readonly (readonly number[])[]
  readonly signal?: AbortSignal | undefined
}

/** A concept taken out of a model, with what a probe still reads of it at the tap. */
export interface ErasedConcept {
  readonly before: ErasureScores
  readonly after: ErasureScores
  /** With as many random directions taken out at the same places, the mean of three draws; at a tap around the mean, in all of the stream around 0. */
  readonly random: ErasureScores
  readonly baseRate: ErasureScores
  /** How many directions are taken out. */
  readonly rank: number
  /** KL(before ‖ after) of control texts, the mean over texts, nats per token; and of the random directions. */
  readonly controlKl: Estimate
  readonly randomKl: Estimate
  readonly rows: { readonly fitted: number; readonly heldOut: number }
  edit(name: string, told?: Pick<EditFile, 'about' | 'made' | 'measured'>): EditFile
}

const draws = 3

/**
 * Takes what a linear reader finds of a concept out of a model. Probes are fitted to one half of the rows held out and read the other, so that neither they nor
 * the edit has seen what they are measured on; the same model under the edit is read anew.
 *
 * throws  UserError for a tap that does not hold one vector of each token, and for rows of which too few differ
 * source  Belrose et al. 2023, arXiv:2306.03819; Arditi et al. 2024, arXiv:2406.11717
 * limits  linear readers alone; in all of the stream the blocks below the tap change as well, so there LEACE's guarantee is measured, not given
 */
export async function erase(model: Model, { texts, labels, names }: LabelledTexts, options: EraseOptions): Promise<ErasedConcept> {
  const { method = 'leace', where = 'tap', pool = 'last', heldOut = 0.5, seed = 0, control, signal } = options
  const [tap, at] = placesOf(model, options.tap, where)
  if (method === 'direction' && names.length > 2)
    throw new UserError(`erase: direction must have two labels, got ${names.length}; take leace`)
  const parts = dealTexts(texts, labels, names, { share: heldOut, seed })
  const halves = halved(parts.heldOut, labels)
  if (halves.some((groups) => names.some((_, c) => !groups.flat().some((i) => labels[i] === c))))
    throw new UserError(`erase: each label must have two texts or more held out, got ${parts.heldOut.length} of ${names.length} labels; give more rows, or a larger share held out`) // biome-ignore format: one line
  const ids = texts.map((text) => model.ids(text))
  const read = async (of: Model) => activationsOf((await pooled(of.policy, ids, [tap], pool, signal ? { signal } : {}))[tap]!)
  const x = await read(model)
  const change = changeOf({ method, where }, picked(x, parts.train), parts.train.map((i) => labels[i]!), names.length) // biome-ignore format: one line
  const rank = change.direction ? 1 : change.read!.shape[0]!
  const editOf = (tensors: typeof change, name: string, told: Pick<EditFile, 'about' | 'made' | 'measured'> = {}) =>
    makeEdit({
      name,
      for: editTarget(model.config, model.hash),
      acts: [
        tensors.direction
          ? { kind: 'ablate', at, direction: 'direction' }
          : { kind: 'affine', at, read: 'read', write: 'write', mean: 'mean' },
      ],
      tensors: tensors as EditFile['tensors'],
      ...told,
    })
  const states = await finalStates(model.policy, control, signal)
  const under = async (tensors: typeof change, name: string) => {
    const edited = model.with(editOf(tensors, name))
    const { kl } = await predictions(model.policy, await finalStates(edited.policy, control, signal), states, control, signal)
    return { rows: readBack(await read(edited), labels, names.length, halves), kl }
  }
  const own = await under(change, 'erased')
  const others: Awaited<ReturnType<typeof under>>[] = []
  for (let draw = 0; draw < draws; draw++)
    others.push(
      await under(randomChange(where === 'tap' ? meanOf(x) : new Float64Array(x.d), rank, seed, `erase/${draw}`), `random ${draw}`),
    )
  const average = (of: (one: (typeof others)[number]) => readonly number[]) => of(others[0]!).map((_, i) => others.reduce((sum, one) => sum + of(one)[i]!, 0) / draws) // biome-ignore format: one line
  return {
    before: scored(readBack(x, labels, names.length, halves)),
    after: scored(own.rows),
    random: scored({ losses: average(({ rows }) => rows.losses), right: average(({ rows }) => rows.right) }),
    baseRate: scored(readBack({ n: x.n, d: 1, data: new Float64Array(x.n) }, labels, names.length, halves)),
    rank,
    controlKl: meanInterval('KL', own.kl, 'nats per token'),
    randomKl: meanInterval('KL', average(({ kl }) => kl), 'nats per token'), // biome-ignore format: one line
    rows: { fitted: parts.train.length, heldOut: parts.heldOut.length },
    edit: (name, told) => editOf(change, name, told),
  }
}

function placesOf({ config }: Model, pattern: string, where: 'tap' | 'stream'): [string, string[]] {
  const taps = tapsNamed('tap', pattern, config)
  const vectors = taps.length === 1 ? vectorsAt(taps[0]!, config) : undefined
  if (!vectors || vectors.heads) throw new UserError(`tap: must be one tap with one vector of each token, got ${pattern}; take for example blocks.1.out`) // biome-ignore format: one line
  const stream = residualStream(config)
  if (where === 'stream' && !stream.includes(taps[0]!))
    throw new UserError(`tap: must be of the residual stream to be erased in all of it, got ${taps[0]}; take for example blocks.1.out`)
  return [taps[0]!, where === 'stream' ? stream : [taps[0]!]]
}

interface Change {
  readonly direction?: ReturnType<typeof tensor>
  readonly read?: ReturnType<typeof tensor>
  readonly write?: ReturnType<typeof tensor>
  readonly mean?: ReturnType<typeof tensor>
}

function changeOf(
  { method, where }: Required<Pick<EraseOptions, 'method' | 'where'>>,
  x: Activations,
  labels: readonly number[],
  classes: number,
): Change {
  if (method === 'direction') return { direction: tensor(Float32Array.from(differenceOfMeans(x, labels)), [x.d]) }
  const { left, right, mean } = leace(x, oneHot(labels, classes))
  if (right.rows === 0)
    throw new UserError('erase: labels must be read from the tap at all, got no direction that shows them; take another tap')
  return {
    read: tensor(Float32Array.from(right.to1DArray()), [right.rows, x.d]),
    write: tensor(Float32Array.from(left.to1DArray()), [x.d, left.columns]),
    // No one mean is that of all places of the stream, and covariance does not depend on it.
    mean: tensor(where === 'tap' ? Float32Array.from(mean) : new Float32Array(x.d), [x.d]),
  }
}

/** As many random directions, around a mean. */
function randomChange(mean: Float64Array, rank: number, seed: number, name: string): Change {
  const d = mean.length
  const basis = randomBasis(rank, d, seed, name)
  const write = Float32Array.from({ length: rank * d }, (_, i) => basis[i % rank]![Math.floor(i / rank)]!)
  return {
    read: tensor(Float32Array.from(basis.flatMap((row) => [...row])), [rank, d]),
    write: tensor(write, [d, rank]),
    mean: tensor(Float32Array.from(mean), [d]),
  }
}

/** Groups in two halves with as many of each label. */
function halved(groups: readonly (readonly number[])[], labels: readonly number[]): (readonly number[])[][] {
  const sorted = groups.toSorted((a, b) => labels[a[0]!]! - labels[b[0]!]!)
  return [0, 1].map((half) => sorted.filter((_, i) => i % 2 === half))
}

/** What a probe reads of each half, fitted to the other. */
function readBack(x: Activations, labels: readonly number[], classes: number, halves: readonly (readonly (readonly number[])[])[]) {
  const [losses, right]: [number[], number[]] = [[], []]
  for (const [h, groups] of halves.entries()) {
    const places = halves[1 - h]!.flat()
    const linear: Linear = plainProbe(x, places, places.map((i) => labels[i]!), classes) // biome-ignore format: one line
    for (const group of groups) {
      const [scores, wanted] = [scoresOf(linear, picked(x, group)), group.map((i) => labels[i]!)]
      losses.push(logLoss(scores, wanted))
      right.push(classesOf(scores).filter((said, i) => said === wanted[i]).length / wanted.length)
    }
  }
  return { losses, right }
}

function scored({ losses, right }: { readonly losses: readonly number[]; readonly right: readonly number[] }): ErasureScores {
  return { loss: meanInterval('loss', losses, 'nats'), accuracy: meanInterval('accuracy', right, 'share', [0, 1]) }
}
