import { type EditFile, editTarget, makeEdit } from '../checkpoints/index.ts'
import { tensor } from '../graph/index.ts'
import type { Model } from '../policy/index.ts'
import { type EditEffect, type EffectTexts, effectUnder } from './edit-effect.ts'
import { finetune } from './finetune.ts'
import { rome } from './rome.ts'
import { meanOf, perToken, said } from './search/decide.ts'
import { norm } from './search/edit-form.ts'
import { dealt, type TargetRow } from './search/rows.ts'
import { predicted, type SearchEdit, searchEdit } from './search/search.ts'
import { searched } from './search/searched.ts'
import { sitesOf } from './search/sites.ts'
import { rowActivations, steerDirection } from './steer-directions.ts'

/** Ways to a behaviour that are set side by side. */
export const editWays = ['search', 'finetune', 'lora', 'steering', 'rome'] as const
export type EditWay = (typeof editWays)[number]

/** A behaviour reached in one way: what it does on rows that it has not seen, and what it took. */
export interface ComparedEdit extends EditEffect {
  readonly way: EditWay
  /** Of weights over all that changed; of steering the length of the vector that is added to every token. */
  readonly norm: number
  readonly rank: number
  /** Numbers the edit holds. */
  readonly parameters: number
  readonly places: readonly string[]
  /** Texts read forward and back on the way, measuring on the rows held out not among them but for the search, which decides there. */
  readonly passes: { readonly forward: number; readonly backward: number }
  readonly edit: EditFile
}

export type CompareOptions = Omit<SearchEdit, 'teacher' | 'over'> & {
  readonly ways?: readonly EditWay[]
  readonly onWay?: (way: EditWay) => void
}

type Found = Omit<ComparedEdit, keyof EditEffect | 'way'>

/**
 * Reaches the behaviour of a search in several ways, all fitted on the same rows, and measures all of them on the rows held out, paraphrases and control texts.
 *
 * throws  UserError as searchEdit and finetune
 * source  Meng et al. 2022, arXiv:2202.05262; Hu et al. 2021, arXiv:2106.09685; Panickssery et al. 2023, arXiv:2312.06681
 */
export async function compareEdits(model: Model, options: CompareOptions): Promise<ComparedEdit[]> {
  const { target, control, paraphrases, heldOut = 0.3, seed = 0, ways = editWays, onWay, signal } = options
  const parts = dealt('target', target.map(({ prompt }) => prompt), heldOut, seed, 2) // biome-ignore format: one line
  const those = (places: readonly number[]) => places.map((i) => target[i]!)
  const texts: EffectTexts = { rows: those(parts.held), paraphrases, control: control.map(({ ids }) => ids) }
  const fit = those(parts.fit)
  const found: ComparedEdit[] = []
  for (const way of ways) {
    signal?.throwIfAborted()
    onWay?.(way)
    const { edit, ...told } = await by[way](model, fit, options, texts.control)
    found.push({ way, ...told, edit, ...(await effectUnder(model, edit, texts, signal)) })
  }
  return found
}

const by: Record<
  EditWay,
  (model: Model, fit: readonly TargetRow[], options: CompareOptions, control: EffectTexts['control']) => Promise<Found>
> = {
  async search(model, _, options) {
    const { edit, norm, rank, parameters, sites, passes } = await searchEdit(model, options)
    return { edit: edit('search'), norm, rank, parameters, places: sites, passes }
  },

  finetune: (model, _, options) => tuned(model, options, { sites: options.sites }),

  lora: (model, _, options) => tuned(model, options, { sites: ['blocks.*.attn.q', 'blocks.*.attn.v'], rank: 4, lr: 5e-3 }),

  async steering(model, fit, { signal }, control) {
    const trees = await opposed(model, fit)
    const [positive, negative] = [await rowActivations(model, trees.said, { signal }), await rowActivations(model, trees.usual, { signal })]
    const sites = await sitesOf(model, ['blocks.*.out'], { over: 'activations', matrices: false, texts: control })
    const of = await searched(model, 'activations', sites, { signal })
    try {
      const [wanted, kept] = [of.saying(fit), of.predicting(control, await predicted(model.policy, control, signal))]
      let best: { site: (typeof sites)[number]; vector: Float64Array; success: number; cost: number } | undefined
      for (const [layer, site] of sites.entries()) {
        const direction = steerDirection('caa', positive[layer]!, negative[layer]!, true)
        for (const strength of strengths) {
          const vector = direction.map((x) => strength * x)
          await of.put({ [site.name]: vector })
          const success = meanOf(await said(wanted))
          if (best && success < best.success) continue
          const cost = perToken(await kept.measure())
          if (!best || success > best.success || cost < best.cost) best = { site, vector, success, cost }
          // What is stronger costs more.
          if (success === 1) break
        }
      }
      const { site, vector } = best!
      const acts = [{ kind: 'add' as const, at: [site.name], direction: 'direction' }]
      const edit = makeEdit({ name: 'steering', for: editTarget(model.config, model.hash), acts, tensors: { direction: tensor(Float32Array.from(vector), [vector.length]) } }) // biome-ignore format: one line
      const passes = { forward: of.passes.forward + trees.read, backward: of.passes.backward }
      return { edit, norm: norm(vector), rank: 1, parameters: vector.length, places: [site.name], passes }
    } finally {
      await of.close()
    }
  },

  async rome(model, fit, { signal }, control) {
    const [{ ids, from }] = fit as [TargetRow]
    // The last token of the prompt stands for the subject: it has seen all words in which prompts differ.
    const layer = Math.floor(model.config.layers / 2)
    const made = await rome(model, ids.slice(0, from), ids.slice(from), { layer, subject: from - 1, texts: control, signal })
    const edit = made.edit('rome')
    const parameters = Object.values(edit.tensors).reduce((sum, { data }) => sum + data.length, 0)
    return { edit, norm: made.norm, rank: 1, parameters, places: [made.path], passes: made.passes }
  },
}

/** How often a direction is added, until the rows fitted on say what they should. */
const strengths = [0.5, 1, 2, 4, 8, 16]

async function tuned(
  model: Model,
  options: CompareOptions,
  how: { readonly sites: readonly string[]; readonly rank?: number; readonly lr?: number },
): Promise<Found> {
  const { target, control, heldOut, seed, signal } = options
  const shared = { control, ...(heldOut === undefined ? {} : { heldOut }), ...(seed === undefined ? {} : { seed }), signal }
  const { edit, norm, rank, parameters, sites, passes } = await finetune(model, target, { ...shared, ...how })
  return { edit: edit('tuned'), norm, rank, parameters, places: sites, passes }
}

/** Rows with what should be said, and with what the model says as it is. */
async function opposed(model: Model, fit: readonly TargetRow[]) {
  const said = fit.map(({ ids, from }) => ({ prompt: ids.slice(0, from), completions: [ids.slice(from)] }))
  const usual = []
  for (const { prompt, ids, from } of fit) {
    const { data, shape } = await model.logprobs(prompt)
    const row = data.slice((shape[0]! - 1) * shape[1]!)
    usual.push({ prompt: ids.slice(0, from), completions: [[row.indexOf(Math.max(...row))]] })
  }
  return { said, usual, read: 3 * fit.length }
}
