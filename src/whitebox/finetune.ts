import { type EditFile, editTarget, makeEdit } from '../checkpoints/index.ts'
import { tensor, UserError } from '../graph/index.ts'
import type { Model } from '../policy/index.ts'
import { random } from '../random/index.ts'
import { adam } from './adam.ts'
import { type ChangeEffect, changeEffect, checkControl } from './edit-effect.ts'
import { norm } from './search/edit-form.ts'
import { type ControlText, dealt, type TargetRow } from './search/rows.ts'
import { searched } from './search/searched.ts'
import { sitesOf } from './search/sites.ts'

export interface FinetuneOptions {
  /** Patterns of parameters that are trained; all else is held. */
  readonly sites: readonly string[]
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
  readonly parameters: number
  readonly sites: readonly string[]
  readonly rows: { readonly fitted: number; readonly heldOut: number; readonly paraphrases: number; readonly control: number }
  edit(name: string, told?: Pick<EditFile, 'about' | 'made' | 'measured'>): EditFile
}

/**
 * Fine-tunes the parameters of a layer, and nothing else, by Adam on −log p of completions: what a search for a small edit is held against. No budget holds it.
 *
 * throws  UserError for sites that name nothing, and for rows that are too few
 * source  Meng et al. 2022, arXiv:2202.05262, baseline FT; Zhu et al. 2020, arXiv:2012.00363
 */
export async function finetune(model: Model, rows: readonly TargetRow[], options: FinetuneOptions): Promise<Finetuned> {
  const { control, paraphrases, probability = 0.9, steps = 100, lr = 1e-3, heldOut = 0.3, seed = 0, onStep, signal } = options
  checkControl(control)
  const sites = await sitesOf(model, options.sites, { over: 'weights', matrices: false, texts: [] })
  const parts = dealt('rows', rows.map(({ prompt }) => prompt), heldOut, seed, 2) // biome-ignore format: one line
  const those = (places: readonly number[]) => places.map((i) => rows[i]!)
  const changes = Object.fromEntries(sites.map(({ name, numbers }) => [name, new Float64Array(numbers)]))
  let [step, fitted] = [0, 0]
  const of = await searched(model, 'weights', sites, { signal })
  try {
    const wanted = of.saying(those(parts.fit))
    const moments = Object.fromEntries(
      sites.map(({ name, numbers }) => [name, { m: new Float64Array(numbers), v: new Float64Array(numbers) }]),
    )
    const likely = async () => {
      const all = await wanted.measure()
      return all.reduce((sum, { loss }) => sum + Math.exp(-loss), 0) / all.length
    }
    let order: number[] = []
    await of.put(changes)
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
      for (const { name } of sites) adam(changes[name]!, slopes[name]!, moments[name]!, step, lr)
      await of.put(changes)
      onStep?.(step, steps)
    }
    fitted = await likely()
  } finally {
    await of.close()
  }
  const texts = { rows: those(parts.held), paraphrases, control: control.map(({ ids }) => ids) }
  return {
    ...(await changeEffect(model, sites, changes, texts, { seed, signal })),
    ...{ steps: step, fitted, norm: norm(...Object.values(changes)) },
    parameters: sites.reduce((sum, { numbers }) => sum + numbers, 0),
    sites: sites.map(({ name }) => name),
    rows: { fitted: parts.fit.length, heldOut: parts.held.length, paraphrases: paraphrases?.length ?? 0, control: control.length },
    edit: (name, told = {}) =>
      makeEdit({
        name,
        for: editTarget(model.config, model.hash),
        acts: [{ kind: 'delta', weights: Object.fromEntries(sites.map(({ name: site }) => [site, site])) }],
        tensors: Object.fromEntries(sites.map(({ name: site, shape }) => [site, tensor(Float32Array.from(changes[site]!), shape)])),
        ...told,
      }),
  }
}
