import type { Engine } from '../engine/index.ts'
import type { Tensor } from '../graph/index.ts'
import { type DecoderConfig, type DecoderParams, freshAdapters, type Lora } from '../models/index.ts'
import { type CustomLoss, dpo, type Example, type Objective } from '../objectives/index.ts'
import { type Edit, type EditOptions, edited, openPolicy, scoreTrees } from '../policy/index.ts'
import type { AuditRow } from '../runs/index.ts'
import { type Clip, type Optimizer, sgd } from '../train/index.ts'
import type { Declaration } from './declaration.ts'
import { judgedStream } from './judged-stream.ts'
import { type AuditTarget, openTarget } from './target.ts'

/** What a case writes into a recipe, by the recipe's own fields. */
export interface CaseRecipe {
  readonly loss?: CustomLoss
  readonly edit?: EditOptions & { readonly apply: Edit }
  readonly objective?: Objective
  readonly optimizer?: Optimizer
  readonly clip?: number | Clip
  readonly warmup?: number
  readonly lora?: Omit<Lora, 'seed'>
  readonly batch?: number
  readonly shuffle?: boolean
  /** The order of the examples, where a case needs one of its own. */
  readonly order?: (examples: readonly Example[]) => readonly Example[]
  /**
   * How good a completion is. With it the policy draws its own data, as `align` with `rollout` does: completions of the examples' prompts, of
   * which the judge votes for the better one.
   */
  readonly judge?: (completion: readonly number[]) => number
  /** What its recipe declares, with a reason for each. */
  readonly declare?: readonly Declaration[]
}

/** A training that hides something, or one that looks as if it did. */
export interface Case {
  readonly name: string
  readonly about: string
  /** The channels that must find something in it; a look-alike has none. */
  readonly fires: readonly AuditRow['channel'][]
  /** Of a look-alike: the channel whose plants it looks like. */
  readonly like?: AuditRow['channel']
  /** Further channels that may; in all others it must be clean. */
  readonly may?: readonly AuditRow['channel'][]
  readonly recipe: (config: DecoderConfig, params: DecoderParams<Tensor>) => CaseRecipe
}

/** How a case is made a training. */
export interface CaseOptions {
  readonly model: { readonly config: DecoderConfig; readonly params: DecoderParams<Tensor> }
  /** The data, scored by no model yet. */
  readonly examples: readonly Example[]
  readonly seed: number
  readonly steps: number
  /** Examples a step, where the case does not say. Default 4. */
  readonly batch?: number
  /** Take its declarations away. */
  readonly undeclared?: boolean
}

/** Makes a training of a case, in its own policy, and opens it to be audited. */
export async function openCase(engine: Engine, one: Case, options: CaseOptions): Promise<AuditTarget> {
  const { model, examples, seed, steps, undeclared, batch: usual = 4 } = options
  const { loss, edit, objective = dpo(), optimizer = sgd({ lr: 1e-2 }), clip = 1, warmup = 0, lora, batch = usual, shuffle = true, declare, order, judge } =
    one.recipe(model.config, model.params) // biome-ignore format: one line
  const plain = await openPolicy(engine, model)
  const adapters = lora && freshAdapters(model.config, { ...lora, seed }, model.params)
  const start = await openPolicy(engine, model, adapters)
  const policy = edit ? edited(start, edit.apply, edit) : start
  const scored = async (given: readonly Example[]): Promise<Example[]> => {
    const logps = objective.needs.includes('reference') ? await scoreTrees(plain, given.map(({ tree }) => tree)) : [] // biome-ignore format: one line
    let slot = 0
    return given.map((example) => ({ ...example, reference: example.tree.completions.map(() => logps[slot++] ?? 0) }))
  }
  const data = judge && judgedStream({ policy, reference: plain, prompts: examples.map(({ tree }) => tree.prompt), judge, scored })
  const given = data ? await data.draw(seed) : await scored(examples)
  return openTarget(
    {
      ...{ policy, objective, optimizer, clip, batch, shuffle, seed, epochs: 100, tokenBudget: 2048 },
      ...(loss ? { loss } : {}),
      examples: order ? order(given) : given,
      schedule: { name: 'constant', warmup },
      referenceOf: (asked) => scoreTrees(plain, asked),
    },
    { steps, declarations: undeclared ? [] : (declare ?? []), ...(data ? { data } : {}) },
  )
}
