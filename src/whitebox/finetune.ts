import { type EditFile, editTarget, makeEdit } from '../checkpoints/index.ts'
import { type Tensor, tensor, UserError } from '../graph/index.ts'
import type { Model } from '../policy/index.ts'
import { random } from '../random/index.ts'
import { adam } from './adam.ts'
import { type ChangeEffect, changeEffect, checkControl } from './edit-effect.ts'
import { norm, product } from './search/edit-form.ts'
import { type ControlText, dealt, type TargetRow } from './search/rows.ts'
import { searched } from './search/searched.ts'
import { type Site, sitesOf } from './search/sites.ts'

export interface FinetuneOptions {
  /** Patterns of parameters that are trained; all else is held. */
  readonly sites: readonly string[]
  /** Low-rank factors of this inner width in the place of whole matrices: LoRA. */
  readonly rank?: number | undefined
  readonly control: readonly ControlText[]
  readonly paraphrases?: readonly TargetRow[] | undefined
  /** Training ends once the completions of the rows fitted on are this likely. Default 0.9. */
  readonly probability?: number
  /** At most so many steps, one batch each. Default 100. */
  readonly steps?: number
  /** Of Adam. Default 1e-3. */
  readonly lr?: number
  /** Share of the rows that is held out. Default 0.3. */
  readonly heldOut?: number
  readonly seed?: number
  readonly onStep?: (step: number, of: number) => void
  readonly signal?: AbortSignal | undefined
}

/** What fine-tuning of a layer came to. */
export interface Finetuned extends ChangeEffect {
  readonly steps: number
  /** Mean probability of the completions of the rows fitted on. */
  readonly fitted: number
  /** Frobenius over all that changed. */
  readonly norm: number
  /** The largest rank that a change can have. */
  readonly rank: number
  /** Texts read forward and back in training. */
  readonly passes: { readonly forward: number; readonly backward: number }
  readonly parameters: number
  readonly sites: readonly string[]
  readonly rows: { readonly fitted: number; readonly heldOut: number; readonly paraphrases: number; readonly control: number }
  edit(name: string, told?: Pick<EditFile, 'about' | 'made' | 'measured'>): EditFile
}

/**
 * Fine-tunes some parameters, or low-rank factors beside them, and nothing else, by Adam on −log p of completions: what a search for a small edit is held against. No budget holds it.
 *
 * throws  UserError for sites that name nothing, and for rows that are too few
 * source  Meng et al. 2022, arXiv:2202.05262, baseline FT; Zhu et al. 2020, arXiv:2012.00363; Hu et al. 2021, arXiv:2106.09685
 */
export async function finetune(model: Model, rows: readonly TargetRow[], options: FinetuneOptions): Promise<Finetuned> {
  const { control, paraphrases, rank, probability = 0.9, steps = 100, lr = 1e-3, heldOut = 0.3, seed = 0, onStep, signal } = options
  checkControl(control)
  const sites = await sitesOf(model, options.sites, { over: 'weights', matrices: rank !== undefined, texts: [] })
  const parts = dealt('target', rows.map(({ prompt }) => prompt), heldOut, seed, 2) // biome-ignore format: one line
  const those = (places: readonly number[]) => places.map((i) => rows[i]!)
  const forms = sites.map((site) => (rank === undefined ? wholeOf(site) : factorsOf(site, rank, seed)))
  const changes = () => Object.fromEntries(forms.map(({ name, change }) => [name, change()]))
  let passes = { forward: 0, backward: 0 }
  let [step, fitted] = [0, 0]
  const of = await searched(model, 'weights', sites, { signal })
  try {
    const wanted = of.saying(those(parts.fit))
    const moments = Object.fromEntries(forms.map(({ name, parts }) => [name, parts.map(({ length }) => ({ m: new Float64Array(length), v: new Float64Array(length) }))])) // biome-ignore format: one line
    const likely = async () => {
      const all = await wanted.measure()
      return all.reduce((sum, { loss }) => sum + Math.exp(-loss), 0) / all.length
    }
    let order: number[] = []
    await of.put(changes())
    for (; step < steps; ) {
      // Each time round, whether it is enough.
      if (order.length === 0) {
        fitted = await likely()
        if (fitted >= probability) break
        order = random(seed, `finetune/${step}`).shuffled([...Array(wanted.batches).keys()])
      }
      const { loss, slopes } = await wanted.slope(order.pop()!)
      if (!Number.isFinite(loss))
        throw new UserError(`finetune: the loss must be a number, got ${loss} at step ${step + 1}; lower the step size`)
      step++
      for (const { name, parts, pull } of forms) pull(slopes[name]!).forEach((slope, i) => void adam(parts[i]!, slope, moments[name]![i]!, step, lr)) // biome-ignore format: one line
      await of.put(changes())
      onStep?.(step, steps)
    }
    fitted = await likely()
    passes = { ...of.passes }
  } finally {
    await of.close()
  }
  const named = <T>(of: (site: Site) => T) => Object.fromEntries(sites.map((site) => [site.name, of(site)]))
  const texts = { rows: those(parts.held), paraphrases, control: control.map(({ ids }) => ids) }
  return {
    ...(await changeEffect(model, sites, changes(), texts, { seed, signal })),
    ...{ steps: step, fitted, norm: norm(...Object.values(changes())), passes },
    rank: rank ?? Math.max(...sites.map(({ shape }) => (shape.length === 2 ? Math.min(...shape) : 1))),
    parameters: forms.reduce((sum, { parts }) => sum + parts.reduce((all, { length }) => all + length, 0), 0),
    sites: sites.map(({ name }) => name),
    rows: { fitted: parts.fit.length, heldOut: parts.held.length, paraphrases: paraphrases?.length ?? 0, control: control.length },
    edit: (name, told = {}) =>
      makeEdit({
        name,
        for: editTarget(model.config, model.hash),
        acts: [
          rank === undefined
            ? { kind: 'delta', weights: named(({ name: site }) => site) }
            : { kind: 'lowRank', weights: named(({ name: site }) => ({ up: `${site}.up`, down: `${site}.down` })) },
        ],
        tensors: Object.fromEntries(forms.flatMap((form) => Object.entries(form.tensors()))),
        ...told,
      }),
  }
}

/** The numbers that are trained at a site, and what they change of it. */
interface Form {
  readonly name: string
  readonly parts: readonly Float64Array[]
  change(): Float64Array
  pull(slope: Float64Array): Float64Array[]
  tensors(): Record<string, Tensor>
}

function wholeOf({ name, numbers, shape }: Site): Form {
  const all = new Float64Array(numbers)
  return {
    name,
    parts: [all],
    change: () => all,
    pull: (slope) => [slope],
    tensors: () => ({ [name]: tensor(Float32Array.from(all), shape) }),
  }
}

/** up · down, which is 0 at the start: up f64[m, rank] is, and down f64[rank, n] is random. */
function factorsOf({ name, shape }: Site, rank: number, seed: number): Form {
  const [m, n] = shape as [number, number]
  if (rank > Math.min(m, n)) throw new UserError(`finetune: rank must be at most ${Math.min(m, n)} at ${name}, got ${rank}; lower it`)
  const up = new Float64Array(m * rank)
  const down = Float64Array.from(random(seed, `finetune/${name}`).normals(rank * n), (x) => x / Math.sqrt(n))
  return {
    name,
    parts: [up, down],
    change: () => product(up, down, m, rank, n),
    pull: (slope) => [product(slope, turned(down, rank, n), m, n, rank), product(turned(up, m, rank), slope, rank, m, n)],
    tensors: () => ({
      [`${name}.up`]: tensor(Float32Array.from(up), [m, rank]),
      [`${name}.down`]: tensor(Float32Array.from(down), [rank, n]),
    }),
  }
}

function turned(x: Float64Array, m: number, n: number): Float64Array {
  return x.map((_, i) => x[(i % m) * n + Math.floor(i / m)]!)
}
