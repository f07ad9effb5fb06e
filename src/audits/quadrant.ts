import type { Example } from '../objectives/index.ts'
import type { AuditOptions } from './audit.ts'
import { type Declaration, declaredOf } from './declaration.ts'
import { direction, dot, moved, rms, sizeOfMove } from './directions.ts'
import { heldLoss } from './held.ts'
import { type Scanned, scan } from './scan.ts'
import type { Parameters, StepLoss } from './step-loss.ts'
import type { AuditTarget, TrainedTensor } from './target.ts'
import { settings, thresholds } from './thresholds.ts'

/** The slopes of the loss in one tensor, by the gradient and by differences. */
export interface Quadrant {
  readonly tensor: string
  readonly scanned: Scanned
  /** Root mean square over directions of the gradient's slopes, of the differences, and of the two apart. */
  readonly byGradient: number
  readonly byDifference: number
  readonly apart: number
  /** What the differences are good to; slopes below are not to be told from none. */
  readonly noise: number
  /** A slope of 1 changes the loss by this share of it when the tensor moves by its own size. */
  readonly perSlope: number
  /** Of a tensor whose every way to the loss is blocked: how much the loss changes, as a share of it, when it moves far. */
  readonly far?: number
  /** Where something is declared: the gradient's slopes and those of the loss that the declaration says they are of, apart, relative. */
  readonly asDeclared?: number
  readonly declared: readonly Declaration[]
}

/** Where a slope is none, and how two slopes compare; `arrives` is a gradient that is there, however small beside the differences. */
export function quadrantOf({ byGradient, byDifference, apart, noise, perSlope }: Quadrant): {
  readonly gradient: boolean
  readonly arrives: boolean
  readonly difference: boolean
  readonly relative: number
  readonly told: boolean
} {
  const largest = Math.max(byGradient, byDifference)
  const none = Math.max(noise, settings.none / perSlope)
  return {
    gradient: byGradient > 1e-3 * largest && byGradient > none,
    arrives: byGradient > none,
    difference: byDifference > 1e-3 * largest && byDifference > none,
    relative: largest > none ? Math.max(0, apart - noise) / largest : 0,
    told: largest > none || (byGradient === 0 && noise * perSlope <= settings.none),
  }
}

/**
 * The faithfulness quadrant of every trained tensor at the parameters as they are now. Tensors without a mark between them and the loss are moved
 * together first: what they are apart together bounds what each is apart alone, and those that this does not settle are moved alone.
 */
export async function quadrants(target: AuditTarget, options: AuditOptions): Promise<readonly Quadrant[]> {
  const known = taken.get(target)
  if (known) return known
  const made = measure(target, options)
  taken.set(target, made)
  return made
}
const taken = new WeakMap<AuditTarget, Promise<readonly Quadrant[]>>()

async function measure(target: AuditTarget, { seed, signal }: AuditOptions): Promise<readonly Quadrant[]> {
  const loss = await target.lossOf({ now: examplesFor(target), step: 1 })
  try {
    const inputs = loss.traced.graph.inputs
    const scanned = scan(loss.traced.loss, Object.fromEntries(target.tensors.map(({ name, input }) => [name, inputs[input]!])))
    const at = await placeOf(target, loss, seed)
    const [plain, marked] = [true, false].map((is) => target.tensors.filter(({ name }) => (scanned.get(name)!.marks.length === 0) === is))
    const groups = [await together(at, plain!), await together(at, marked!)]
    const asDeclared = await declaredSlopes(at, loss)
    const found: Quadrant[] = []
    for (const tensor of target.tensors) {
      signal?.throwIfAborted()
      const { name, input } = tensor
      const mine = scanned.get(name)!
      const perSlope = sizeOfMove(at.values[input]!) / (1 + Math.abs(at.value))
      const blocked = mine.read && mine.marks.length > 0 && !mine.reached ? { far: await changeFar(at, tensor) } : {}
      const checked = asDeclared.has(name) ? { asDeclared: asDeclared.get(name)! } : {}
      const whole = { tensor: name, scanned: mine, perSlope, declared: declaredOf(target.declarations, name, 1), ...blocked, ...checked }
      const settled = groups.map((group) => settledBy(group, name, goodTo(target))).find((one) => one !== undefined)
      const none = { byGradient: 0, byDifference: 0, apart: 0, noise: 0 }
      found.push({ ...whole, ...(settled ?? (mine.read ? await slopes(at, [tensor], settings.directions) : none)) })
    }
    return found
  } finally {
    await loss.close()
  }
}

/** Where slopes are taken. */
interface Place {
  readonly target: AuditTarget
  readonly seed: number
  readonly loss: (moved: Parameters) => Promise<number>
  readonly value: number
  readonly values: Parameters
  readonly gradient: Parameters
  /** Rounding of one loss. */
  readonly rounding: number
  /** By what each tensor is moved more or less than its own size where several are moved, so that their slopes are alike. */
  readonly weights: ReadonlyMap<string, number>
}

async function placeOf(target: AuditTarget, step: StepLoss, seed: number): Promise<Place> {
  const values = await target.parameters()
  const { loss: value, gradient } = await step.gradient()
  const at = { target, seed, value, values, gradient, loss: step.loss, rounding: 0, weights: new Map<string, number>() }
  return { ...at, rounding: await roundingOf(at), weights: weightsOf(at) }
}

/** In f32 what one tensor does to the loss drowns in the noise of others that do a hundred times as much. */
function weightsOf(at: Place): ReadonlyMap<string, number> {
  const { target, gradient } = at
  if (target.precision === 'f64') return new Map()
  const along = alongOf(at, target.tensors, 0, 'weight')
  const slopes = target.tensors.map(({ input }): [string, number] => [input, Math.abs(dot(gradient[input]!.data, along.get(input)!))])
  const middle = slopes.map(([, slope]) => slope).sort((a, b) => a - b)[Math.floor(slopes.length / 2)]!
  return new Map(slopes.map(([input, slope]) => [input, slope > 0 ? Math.max(0.1, Math.min(5, middle / slope)) : 1]))
}

/** Rounding of the loss: of f64 by its unit; of f32 what is left of a parabola through losses close by. */
async function roundingOf(at: Place): Promise<number> {
  const unit = (1 + Math.abs(at.value)) * 2 ** (at.target.precision === 'f64' ? -50 : -23)
  if (at.target.precision === 'f64') return unit
  const along = alongOf(at, at.target.tensors, 0, 'rounding')
  const losses: number[] = []
  for (let k = -3; k <= 3; k++) losses.push(await at.loss(movedBy(at, along, k * 1e-5)))
  // Third differences of a parabola are zero, and of noise have 20 times its variance.
  const third = losses.slice(3).map((x, i) => x - 3 * losses[i + 2]! + 3 * losses[i + 1]! - losses[i]!)
  return Math.max(unit / 4, rms(third) / Math.sqrt(20))
}

/** Several tensors moved at once; undefined where there are not several. */
async function together(at: Place, tensors: readonly TrainedTensor[], loss = at.loss) {
  return tensors.length > 1 ? slopes(at, tensors, settings.directions, loss) : undefined
}

/**
 * The slopes of one of several tensors that were moved together, where they settle its own: what all are apart together is no less than what one
 * of them is.
 */
function settledBy(group: Awaited<ReturnType<typeof together>>, name: string, good: number) {
  const own = group?.own.get(name)
  if (!group || !own || Math.max(group.apart, group.noise) > good * rms(own)) return undefined
  return { byGradient: rms(own), byDifference: rms(own), apart: group.apart, noise: group.noise }
}

/** What tensors that are moved together must settle of each: in f64 half of the tolerance; in f32, whose noise is above it, a tenth of its slope. */
function goodTo({ precision }: AuditTarget): number {
  return precision === 'f64' ? 0.5 * thresholds.forged : 0.1
}

/** Of each tensor that something is declared of: how far its gradient is off the slope of the loss that the declaration says it is of. */
async function declaredSlopes(at: Place, step: StepLoss): Promise<ReadonlyMap<string, number>> {
  const kindsOf = ({ name }: TrainedTensor) => [...new Set(declaredOf(at.target.declarations, name, 1).map(({ as }) => as))].sort()
  const found = new Map<string, number>()
  for (const key of new Set(at.target.tensors.map((tensor) => kindsOf(tensor).join()))) {
    if (key === '') continue
    const tensors = at.target.tensors.filter((tensor) => kindsOf(tensor).join() === key)
    const kinds = new Set(kindsOf(tensors[0]!))
    const held = await step.instead(({ loss, graph }) => {
      const scanned = scan(loss, Object.fromEntries(tensors.map(({ name, input }) => [name, graph.inputs[input]!])))
      return heldLoss(
        loss,
        [...new Map([...scanned.values()].flatMap(({ marks }) => marks.map((mark) => [mark.value, mark]))).values()],
        kinds,
      )
    })
    const group = await together(at, tensors, held)
    for (const tensor of tensors) {
      const { byGradient, byDifference, apart, noise } =
        settledBy(group, tensor.name, goodTo(at.target)) ?? (await slopes(at, [tensor], settings.directions, held))
      const largest = Math.max(byGradient, byDifference, noise)
      found.set(tensor.name, largest === 0 ? 0 : Math.max(0, apart - noise) / largest)
    }
  }
  return found
}

type Along = ReadonlyMap<string, Float64Array>

function alongOf({ target, values, gradient, seed, weights }: Place, tensors: readonly TrainedTensor[], k: number, what = 'slope'): Along {
  return new Map(
    tensors.map(({ name, input }) => {
      const drawn = direction(values[input]!, gradient[input]!, target.precision, seed, `${what}/${name}/${k}`)
      const weight = tensors.length > 1 ? (weights.get(input) ?? 1) : 1
      return [input, weight === 1 ? drawn : drawn.map((x) => weight * x)]
    }),
  )
}

function movedBy({ values, target }: Place, along: Along, by: number): Parameters {
  return Object.fromEntries([...along].map(([input, d]) => [input, moved(values[input]!, d, by, target.precision)]))
}

/** Slopes of some tensors moved together: each one's own by the gradient, their sum and the difference of the loss. */
async function slopes(at: Place, tensors: readonly TrainedTensor[], directions: number, loss = at.loss) {
  const own = new Map(tensors.map(({ name }) => [name, [] as number[]]))
  const [sums, differences, noises]: [number[], number[], number[]] = [[], [], []]
  const by = stepOf(at, tensors)
  for (let k = 0; k < directions; k++) {
    const along = alongOf(at, tensors, k)
    for (const { name, input } of tensors) own.get(name)!.push(dot(at.gradient[input]!.data, along.get(input)!))
    sums.push([...own.values()].reduce((sum, all) => sum + all[k]!, 0))
    const { slope, noise } = await difference(at, along, by, loss)
    differences.push(slope)
    noises.push(noise)
    // Two directions that are apart by far settle it.
    if (k === 1 && far(sums, differences, noises)) break
  }
  const apart = rms(sums.map((x, k) => x - differences[k]!))
  return { own, byGradient: rms(sums), byDifference: rms(differences), apart, noise: rms(noises) }
}

function far(sums: readonly number[], differences: readonly number[], noises: readonly number[]): boolean {
  const apart = Math.min(...sums.map((x, k) => Math.abs(x - differences[k]!) - 10 * noises[k]!))
  return apart > 0.1 * Math.max(rms(sums), rms(differences))
}

function stepOf({ values, target }: Place, tensors: readonly TrainedTensor[]): number {
  if (target.precision === 'f32') return 1e-2
  let largest = 1
  for (const { input } of tensors) for (const x of values[input]!.data) largest = Math.max(largest, Math.abs(x))
  return settings.stepF64 * largest
}

/**
 * A central difference, and three times what it is good to. In f32 the step is chosen by the noise: from long to short, until what is left of the
 * cubic term is below it.
 */
async function difference(at: Place, along: Along, by: number, loss: Place['loss']): Promise<{ slope: number; noise: number }> {
  const central = async (h: number) => ((await loss(movedBy(at, along, h))) - (await loss(movedBy(at, along, -h)))) / (2 * h)
  const noiseAt = (h: number) => (3 * at.rounding) / (Math.SQRT2 * h)
  let wide = await central(by)
  if (at.target.precision === 'f64') return { slope: wide, noise: noiseAt(by) }
  let best = { slope: wide, noise: Number.POSITIVE_INFINITY }
  for (let h = by / 3; h > by / 100; h /= 3) {
    const narrow = await central(h)
    // With a step a third as long a cubic term is a ninth.
    const slope = (9 * narrow - wide) / 8
    const noise = noiseAt(h) * 1.2 + Math.abs(slope - narrow)
    if (noise < best.noise) best = { slope, noise }
    if (noiseAt(h / 3) > best.noise || best.noise <= 1e-3 * Math.abs(slope)) break
    wide = narrow
  }
  return best
}

/** How much the loss changes, as a share of it, when a tensor moves far: a hard choice is not seen close by. */
async function changeFar(at: Place, tensor: TrainedTensor): Promise<number> {
  const size = sizeOfMove(at.values[tensor.input]!)
  const unit = at.target.precision === 'f64' ? size : 1
  let most = 0
  for (const radius of settings.radii)
    for (let k = 0; k < 4; k++) {
      const there = await at.loss(movedBy(at, alongOf(at, [tensor], k, 'far'), radius * unit))
      most = Math.max(most, Math.abs(there - at.value) / (1 + Math.abs(at.value)))
    }
  return most
}

/** As many of the first step's examples as may be evaluated; all of them where the loss is of the batch. */
function examplesFor({ plan, stepping, training, precision }: AuditTarget): readonly Example[] {
  const [first = []] = plan
  if (precision === 'f32' || (stepping.loss && !stepping.reads?.mean)) return first
  const size = Object.values(training.policy.given).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)
  const fits: Example[] = []
  let positions = 0
  for (const example of first) {
    positions += example.tree.prompt.length + example.tree.completions.flat().length
    if (fits.length >= Math.max(2, training.objective.kind.fewest) && positions * size > settings.mostWork) break
    fits.push(example)
  }
  return fits
}
