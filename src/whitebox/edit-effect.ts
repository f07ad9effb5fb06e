import { meanInterval } from '../accept/index.ts'
import { type EditFile, withEdits } from '../checkpoints/index.ts'
import { UserError } from '../graph/errors.ts'
import { type Model, openPolicy, readParams } from '../policy/index.ts'
import { random } from '../random/index.ts'
import type { Estimate } from '../runs/index.ts'
import { ratioInterval } from './ratio-interval.ts'
import { meanOf, said } from './search/decide.ts'
import { type Changes, norm, product } from './search/edit-form.ts'
import type { TargetRow } from './search/rows.ts'
import { predicted } from './search/search.ts'
import { type Searched, searched } from './search/searched.ts'
import type { Site } from './search/sites.ts'

/** Texts that an edit is measured on. */
export interface EffectTexts {
  /** Rows whose completion should be said. */
  readonly rows: readonly TargetRow[]
  readonly paraphrases?: readonly TargetRow[] | undefined
  /** Texts that should be predicted as before. */
  readonly control: readonly (readonly number[])[]
}

/** What a model says under an edit. */
export interface EditEffect {
  /** Share of rows in which every token of the completion is the likeliest, and the mean probability of the completion. */
  readonly success: number
  readonly probability: number
  /** Of the success; left out where there is one row. */
  readonly interval?: Estimate
  readonly paraphrases?: number
  readonly paraphrasesInterval?: Estimate
  /** KL(before ‖ after) over the tokens of control texts, nats per token. */
  readonly controlKl: Estimate
}

/** What a change of weights does, beside what the model did without it and under random changes as long. */
export interface ChangeEffect extends EditEffect {
  readonly before: { readonly success: number; readonly probability: number }
  /** The most that one of five did. */
  readonly random: { readonly success: number; readonly probability: number }
}

/**
 * Control texts that an effect can be measured on.
 *
 * throws  UserError for fewer than two
 */
export function checkControl(control: readonly unknown[]): void {
  if (control.length < 2) throw new UserError(`control texts: must be two or more, got ${control.length}; give more`)
}

/** Random changes that stand beside one. */
const draws = 5

/**
 * Measures a change of weights.
 *
 * throws  UserError for fewer than two control texts
 */
export async function changeEffect(
  model: Model,
  sites: readonly Site[],
  changes: Changes,
  texts: EffectTexts,
  {
    seed = 0,
    rankOne = false,
    signal,
  }: { readonly seed?: number; readonly rankOne?: boolean; readonly signal?: AbortSignal | undefined } = {},
): Promise<ChangeEffect> {
  checkControl(texts.control)
  const of = await searched(model, 'weights', sites, { signal })
  try {
    await of.put({})
    const before = await successOf(of, texts.rows)
    const chance = { success: 0, probability: 0 }
    for (let draw = 0; draw < draws; draw++) {
      await of.put(
        Object.fromEntries(sites.map((site) => [site.name, randomChange(site, norm(changes[site.name]!), `${draw}`, seed, rankOne)])),
      )
      const { success, probability } = await successOf(of, texts.rows)
      chance.success = Math.max(chance.success, success)
      chance.probability = Math.max(chance.probability, probability)
    }
    await of.put(changes)
    const under = await editEffect(model, of, texts, signal)
    return { ...under, before: { success: before.success, probability: before.probability }, random: chance }
  } finally {
    await of.close()
  }
}

/** Measures any edit: the model is opened under it, in its own engine. */
export async function effectUnder(model: Model, edit: EditFile, texts: EffectTexts, signal?: AbortSignal): Promise<EditEffect> {
  checkControl(texts.control)
  const { name, config, hash, policy } = model
  const { engine } = policy
  const under = withEdits({ name, config, hash, params: await readParams(policy) }, [edit])
  const edited = await openPolicy(engine, under)
  try {
    const of = await searched({ policy: edited, config: under.config }, 'weights', [], { signal })
    const effect = await editEffect(model, of, texts, signal)
    await of.close()
    return effect
  } finally {
    await edited.rest()
    for (const resident of new Set(Object.values(edited.given))) await engine.release(resident)
  }
}

/** Measures what is open under an edit against the model as it is. */
export async function editEffect(
  model: Model,
  of: Searched,
  { rows, paraphrases, control }: EffectTexts,
  signal?: AbortSignal,
): Promise<EditEffect> {
  const kls = await of.predicting(control, await predicted(model.policy, control, signal)).measure()
  const others = paraphrases && (await successOf(of, paraphrases))
  return {
    ...(await successOf(of, rows)),
    ...(others ? { paraphrases: others.success, ...(others.interval ? { paraphrasesInterval: others.interval } : {}) } : {}),
    controlKl: ratioInterval('KL on control texts', kls.map(({ loss }) => loss), kls.map(({ tokens }) => tokens), 'nats per token'), // biome-ignore format: one line
  }
}

async function successOf(of: Searched, rows: readonly TargetRow[]) {
  const wanted = of.saying(rows)
  const shares = await said(wanted)
  const probability = meanOf((await wanted.measure()).map(({ loss }) => Math.exp(-loss)))
  return {
    success: meanOf(shares),
    probability,
    ...(shares.length > 1 ? { interval: meanInterval('success', shares, 'share', [0, 1]) } : {}),
  }
}

function randomChange({ name, numbers, shape }: Site, size: number, draw: string, seed: number, rankOne: boolean): Float64Array {
  const normals = (n: number, part: string) => Float64Array.from(random(seed, `effect/${name}/${draw}/${part}`).normals(n))
  const [m, n] = shape
  const drawn = rankOne && n ? product(normals(m!, 'up'), normals(n, 'down'), m!, 1, n) : normals(numbers, 'all')
  const length = norm(drawn)
  return drawn.map((x) => (x * size) / length)
}
