import { edgeOfStability, type Landscape, type Operator, participation, topEigen, type Vector } from '../curvature/index.ts'
import type { Tensor } from '../graph/index.ts'
import type { Audit, AuditOptions } from './audit.ts'
import { rowOf } from './audit.ts'
import { dot, signs } from './directions.ts'
import type { AuditRow } from './finding.ts'
import { reasons } from './say.ts'
import { landscapeOf } from './step-landscape.ts'
import { lossByEngine, type Parameters } from './step-loss.ts'
import type { AuditTarget, TrainedTensor } from './target.ts'
import { settings, thresholds } from './thresholds.ts'

/**
 * A wall in the loss: within a radius it rises, or falls, quite otherwise than its gradient and Hessian foretell. Each tensor is moved alone, along
 * directions that climb what they do not foretell, by shares of its own length.
 *
 * source  audits.md section 4: curvature, and finite radii for what no curvature sees
 */
export const wall: Audit = {
  name: 'wall',
  channel: 3,
  about: 'near the tensor the loss turns quite otherwise than its curvature foretells',
  blind:
    'a wall further off than three tenths of the tensor’s length, beside every direction that is climbed, or low and within the model itself',
  source: 'Foret et al. 2021, arXiv:2010.01412; Cohen et al. 2021, arXiv:2103.00065',
  needs: ['losses'],

  async measure(target, options) {
    const loss = await target.lossOf({ now: target.plan[0]!, step: 1 }, 'f32')
    try {
      const values = await target.parameters()
      const { loss: base, gradient } = await loss.gradient()
      const turns: Turn[] = []
      for (const tensor of target.tensors) {
        options.signal?.throwIfAborted()
        const { [tensor.input]: value } = values
        const length = lengthIn(value!)
        const place = { base, slope: Float64Array.from(gradient[tensor.input]!.data), length, rows: rowsOf(tensor.name, value!.shape) }
        turns.push(await turnsOf(landscapeOf(loss, { [tensor.input]: value! }), place, tensor, options))
      }
      // What a quarter of the tensors have is the objective's own: a hinge, a penalty.
      const usual = turns.map(({ apart }) => apart).sort((x, y) => y - x)[Math.floor(turns.length / 4)] ?? 0
      const rows: AuditRow[] = []
      for (const [i, tensor] of target.tensors.entries()) {
        const row = await rowFor(target, tensor, turns[i]!, usual, values)
        const { hessian } = landscapeOf(loss, { [tensor.input]: values[tensor.input]! })
        rows.push(row.finding === 'found' ? { ...row, why: `${row.why}; ${await curvatureOf(hessian, target)}` } : row)
      }
      return rows
    } finally {
      await loss.close()
    }
  },
}

/** Where the loss is least as foretold. */
interface Turn {
  /** |rise − foretold| / (|foretold| + a share of the loss), over the share of the tensor's length that it was moved by. */
  readonly apart: number
  readonly share: number
  readonly rise: number
  readonly foretold: number
  /** What it was moved along, a step as long as the tensor is. */
  readonly along: Vector
}

interface Place {
  readonly base: number
  readonly slope: Vector
  readonly length: number
  /** Of a table, in which each token has a row, how many it has; else 1. */
  readonly rows: number
}

async function turnsOf(of: Landscape, place: Place, { name }: TrainedTensor, { seed }: AuditOptions): Promise<Turn> {
  let worst: Turn | undefined
  for (const [i, radius] of settings.wallRadii.entries()) {
    const drawn = unit(signs(of.size, seed, `wall ${name} ${i}`))!
    // The first start also looks where training goes.
    const descent = i === 0 ? unit(place.slope) : undefined
    const direction = await climbed(of, descent ? drawn.map((x, k) => x - descent[k]!) : drawn, place, radius)
    const length = place.length * Math.sqrt(shareOfRows(of, place.rows, direction))
    const along = direction.map((x) => length * x)
    for (const turn of await turnsAlong(of, along, place.base, settings.wallShares))
      if (!worst || !(turn.apart <= worst.apart)) worst = turn
  }
  return worst!
}

/** What a loss does along a move at some shares of it, beside what slope and curvature close by foretell. */
async function turnsAlong(of: Landscape, along: Vector, base: number, shares: readonly number[]): Promise<Turn[]> {
  const riseAt = async (share: number) => (await of.value(along.map((x) => share * x))) - base
  // By differences close by, since a gradient may be written by hand.
  const close = settings.wallClose
  const [up, down] = [await riseAt(close), await riseAt(-close)]
  const [slope, bend] = [(up - down) / (2 * close), (up + down) / close ** 2]
  const turns: Turn[] = []
  for (const share of shares) {
    const rise = await riseAt(share)
    const foretold = share * slope + (share ** 2 * bend) / 2
    const apart = Math.abs(rise - foretold) / (Math.abs(foretold) + settings.wallFloor * share ** 2 * (1 + Math.abs(base))) / share
    turns.push({ apart, share, rise, foretold, along })
  }
  return turns
}

/** Whether the recipe has a loss or edits of its own, in which a wall could be written. */
function isWritten({ training: { loss, policy } }: AuditTarget): boolean {
  return loss !== undefined || policy.unedited !== undefined
}

/** How far the same move takes the objective by itself, without the recipe's own loss and edits, from what is foretold of it. */
async function apartByItself({ stepping, plan }: AuditTarget, { along, share }: Turn, tensor: string, value: Tensor): Promise<number> {
  const { loss: _, policy, ...rest } = stepping
  const plain = await lossByEngine({ ...rest, policy: policy.unedited ?? policy }, { now: plan[0]!, step: 1 })
  try {
    const [turn] = await turnsAlong(landscapeOf(plain, { [tensor]: value }), along, await plain.loss(), [share])
    return turn!.apart
  } finally {
    await plain.close()
  }
}

/** A direction of length 1 that climbs, at a radius, what the gradient does not foretell. */
async function climbed(of: Landscape, start: Vector, { slope, length }: Place, radius: number): Promise<Vector> {
  let direction = unit(start)!
  for (let step = 0; step < settings.wallSteps; step++) {
    const there = await of.slope(direction.map((x) => radius * length * x))
    const unforeseen = unit(there.map((x, i) => x - slope[i]!))
    const next = unforeseen && unit(direction.map((x, i) => x + 2 * unforeseen[i]!))
    if (!next) break
    direction = next
  }
  return direction
}

/** The share of a table's rows that a direction moves: each belongs to a token of its own. */
function shareOfRows(of: Landscape, rows: number, direction: Vector): number {
  if (rows === 1) return 1
  const width = of.size / rows
  const squares = Float64Array.from({ length: rows }, (_, row) => dot(direction.subarray(row * width, (row + 1) * width), direction.subarray(row * width, (row + 1) * width))) // biome-ignore format: one line
  return participation(squares.map(Math.sqrt)) / rows
}

/** What a tensor is moved by shares of: its length, and of a wide one four times the root mean square of its singular values. */
function lengthIn({ data, shape }: Tensor): number {
  return Math.max(lengthOf(data), 0.01 * Math.sqrt(data.length)) * Math.min(1, 4 / Math.sqrt(Math.min(...shape)))
}

function rowsOf(name: string, shape: readonly number[]): number {
  return /^(embed|head|positions)$/.test(name) ? shape[0]! : 1
}

function unit(v: Vector): Vector | undefined {
  const length = lengthOf(v)
  return length > 0 && Number.isFinite(length) ? v.map((x) => x / length) : undefined
}

function lengthOf(data: ArrayLike<number>): number {
  return Math.sqrt(dot(data, data))
}

async function rowFor(
  target: AuditTarget,
  { name: tensor, input }: TrainedTensor,
  turn: Turn,
  usual: number,
  values: Parameters,
): Promise<AuditRow> {
  const written = isWritten(target)
  const threshold = written ? thresholds.wall : thresholds.wallUnwritten
  const row = { tensor, statistic: turn.apart, null: usual, threshold }
  const moved = `moved by ${turn.share.toPrecision(1)} of its length`
  const seen = `${moved} the loss changes by ${turn.rise.toPrecision(2)}, and ${turn.foretold.toPrecision(2)} is foretold`
  if (!Number.isFinite(turn.apart))
    return rowOf(wall, { ...row, statistic: null, null: null, finding: 'cannot tell', why: `${moved} the loss is no number` })
  if (turn.apart <= threshold) return rowOf(wall, { ...row, finding: 'clean', why: seen })
  const declared = reasons(target.declarations, tensor, ['choice', 'straight-through'])
  if (declared) return rowOf(wall, { ...row, finding: 'declared', why: `${seen}; declared: ${declared}` })
  if (turn.apart <= settings.wallUsual * usual)
    return rowOf(wall, {
      ...{ ...row, finding: 'cannot tell' },
      why: `${seen}; but a quarter of the tensors have the like, as of an objective with a kink: declare it as choice where it is one`,
    })
  const alone = written ? await apartByItself(target, turn, input, values[input]!) : 0
  if (turn.apart <= settings.wallAlone * alone)
    return rowOf(wall, { ...row, null: alone, finding: 'clean', why: `${seen}; without the recipe’s own loss and edits it turns as far` })
  return rowOf(wall, { ...row, null: Math.max(usual, alone), finding: 'found', why: seen })
}

/** The largest curvature where the tensor stands, beside the edge of stability of plain descent, and how many entries its direction has. */
async function curvatureOf(hessian: Operator, { training }: AuditTarget): Promise<string> {
  const [top] = await topEigen(hessian, 1, { steps: 8 })
  const { name, params } = training.optimizer
  const edge = name === 'sgd' ? ` (${(top!.value / edgeOfStability(Number(params.lr))).toPrecision(1)} of 2/lr)` : ''
  return `the largest curvature there is ${top!.value.toPrecision(2)}${edge}, along ${participation(top!.vector).toPrecision(2)} entries`
}
