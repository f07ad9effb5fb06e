import { meanInterval } from '../accept/index.ts'
import type { Model } from '../policy/index.ts'
import { random } from '../random/index.ts'
import type { Estimate } from '../runs/index.ts'
import { fitSubspace, usualSteps } from './fit-subspace.ts'
import { inFresh } from './in-fresh.ts'
import { type Interchange, type InterchangeRow, type Outcome, openInterchange } from './interchange.ts'
import { dealInterchangeRows, type InterchangeParts } from './interchange-rows.ts'
import { type Basis, dot, projected, randomBasis } from './subspace.ts'

export interface DasOptions {
  /** Where the activations are taken. */
  readonly tap: string
  /** Dimensions of the subspace. Default 1. */
  readonly k?: number
  readonly steps?: number
  readonly lr?: number
  /** Share of the rows that is held out. */
  readonly heldOut?: number
  readonly seed?: number
  /** Called with how many steps and measurements are done, of how many. */
  readonly onDone?: (done: number, of: number) => void
  readonly signal?: AbortSignal | undefined
}

/** What must not do as well as the subspace, each measured on the rows held out. */
export interface DasControls {
  /** The same search after answer and wrong were exchanged in half of the rows that it fits, drawn by chance. */
  readonly arbitrary: Estimate
  /** The same search in the model with fresh random weights. */
  readonly reinitialised: Estimate
  /** Random subspaces in the place of the one found, moved in as far: of ten, the mean of each row. */
  readonly random: Estimate
}

/** What a subspace carries of a variable: accuracies are shares of the rows held out whose answer becomes likelier than the wrong one. */
export interface DasFound {
  readonly tap: string
  readonly k: number
  readonly basis: Basis
  /** Of the activations of the rows fitted on. */
  readonly mean: Float64Array
  /** Interchange intervention accuracy. */
  readonly iia: Estimate
  /** The same where the answer must be likelier than every token. */
  readonly first: Estimate
  /** The same where nothing is interchanged, and where the whole vector is. */
  readonly none: Estimate
  readonly whole: Estimate
  readonly controls: DasControls
  readonly finding: 'explained' | 'cannot tell'
  readonly rows: { readonly fit: number; readonly heldOut: number; readonly split: InterchangeParts['split'] }
}

/** How many random subspaces. */
const draws = 10

/**
 * Finds the subspace of a tap that carries a variable, as far as interchanges of rows say, and measures it on rows held out beside its controls.
 *
 * throws  UserError as openInterchange and fitSubspace, and for rows that are too few
 * source  Geiger et al. 2023, arXiv:2303.02536; controls: Arora et al. 2024, arXiv:2402.12560
 */
export async function das(model: Model, rows: readonly InterchangeRow[], options: DasOptions): Promise<DasFound> {
  const { tap, k = 1, seed = 0, signal } = options
  const parts = dealInterchangeRows(rows, options)
  const fitted = parts.fit.map((i) => rows[i]!)
  const held = parts.heldOut.flatMap((group) => group.map((i) => rows[i]!))
  const share = sharesOf(parts.heldOut)
  let steps = 0
  const search = async (of: Model, to: readonly InterchangeRow[]) => {
    const { steps: wanted, lr } = options
    return fitSubspace(of.policy.engine, await openInterchange(of, to, tap, { signal }), {
      ...{ k, seed, signal },
      ...(wanted ? { steps: wanted } : {}),
      ...(lr ? { lr } : {}),
      onStep: () => options.onDone?.(++steps, 3 * (wanted ?? usualSteps)),
    })
  }
  const basis = await search(model, fitted)
  const inside = await openInterchange(model, fitted, tap, { signal })
  const plain = await inside.run(() => new Float64Array(inside.width))
  const out = await openInterchange(model, held, tap, { signal })
  const within = (of: Interchange, subspace: Basis) => of.run((i) => projected(subspace, of.differences[i]!))
  const found = await within(out, basis)
  const controls = {
    arbitrary: share('arbitrary labels', (await within(out, await search(model, exchanged(fitted, plain, seed)))).map(isRight)),
    reinitialised: share('re-initialised model', await inFresh(model, seed, async (fresh) => (await within(await openInterchange(fresh, held, tap, { signal }), await search(fresh, fitted))).map(isRight))), // biome-ignore format: one line
    random: share('random subspaces', await asRandom(out, basis, seed)),
  }
  const iia = share('iia', found.map(isRight))
  return {
    tap,
    k,
    basis,
    mean: inside.mean,
    iia,
    first: share(
      'first',
      found.map(({ first }) => Number(first)),
    ),
    none: share('nothing', (await out.run(() => new Float64Array(out.width))).map(isRight)),
    whole: share('the whole vector', (await out.run((i) => out.differences[i]!)).map(isRight)),
    controls,
    finding: findingOfDas(iia, controls),
    rows: { fit: fitted.length, heldOut: held.length, split: parts.split },
  }
}

/**
 * Whether a subspace carries the variable: the low end of its accuracy lies above the high end of every control's. Otherwise the answer is
 * *cannot tell*, not *no*.
 */
export function findingOfDas({ low }: Pick<Estimate, 'low'>, controls: DasControls): DasFound['finding'] {
  return Object.values(controls).every((control) => low > control.high) ? 'explained' : 'cannot tell'
}

function isRight({ difference }: Outcome): number {
  return Number(difference > 0)
}

/** The mean over groups of rows with its interval; the rows lie in the order of their groups. */
function sharesOf(groups: readonly (readonly number[])[]): (name: string, rows: readonly number[]) => Estimate {
  return (name, rows) => {
    let from = 0
    const means = groups.map(({ length }) => rows.slice(from, (from += length)).reduce((sum, x) => sum + x, 0) / length)
    return meanInterval(name, means, 'share', [0, 1])
  }
}

/**
 * Rows with answer and wrong exchanged in half of them, drawn by chance: as many among those whose base says the answer anyway as among the others, of
 * each answer, so that what is left of the variable in the labels is nothing.
 */
function exchanged(rows: readonly InterchangeRow[], plain: readonly Outcome[], seed: number): InterchangeRow[] {
  const alike = new Map<string, number[]>()
  for (const [i, { answer, wrong }] of rows.entries()) {
    const key = `${answer} ${wrong} ${isRight(plain[i]!)}`
    alike.set(key, [...(alike.get(key) ?? []), i])
  }
  const half = new Set(
    [...alike].flatMap(([key, places], at) => {
      const shuffled = random(seed, `das/arbitrary/${key}`).shuffled(places)
      return shuffled.slice(0, (places.length + (at % 2)) >> 1)
    }),
  )
  return rows.map((row, i) => (half.has(i) ? { ...row, answer: row.wrong, wrong: row.answer } : row))
}

/** What each row does on average under random subspaces that move it as far as the basis does. */
async function asRandom(out: Interchange, basis: Basis, seed: number): Promise<number[]> {
  const sums = out.rows.map(() => 0)
  for (let draw = 0; draw < draws; draw++) {
    const other = randomBasis(basis.length, out.width, seed, `das/random/${draw}`)
    const said = await out.run((i) => {
      const [far, moved] = [projected(basis, out.differences[i]!), projected(other, out.differences[i]!)]
      const length = Math.sqrt(dot(moved, moved))
      return length === 0 ? moved : moved.map((x) => (x * Math.sqrt(dot(far, far))) / length)
    })
    said.forEach((one, i) => void (sums[i]! += isRight(one) / draws)) // biome-ignore format: one line
  }
  return sums
}
