import { type Model, type Policy, scoreTrees, type Tree } from '../policy/index.ts'
import { random } from '../random/index.ts'
import type { Estimate } from '../runs/index.ts'
import { type FitLorra, fitLorra, type Lorra } from './fit-lorra.ts'
import { plainTexts } from './plain-texts.ts'
import { asLong, halfSwapped, type SteerControls, type SteerOptions, textOf } from './steer.ts'
import { rowActivations, steerDirection } from './steer-directions.ts'
import { type Coherence, coherenceOf, effectOf } from './steer-effect.ts'
import { dealSteerRows, type SteerRow } from './steer-rows.ts'

export interface LorraOptions
  extends Pick<SteerOptions, 'pool' | 'coherence' | 'texts' | 'heldOut' | 'seed' | 'signal'>,
    Pick<FitLorra, 'layer' | 'strength' | 'rank' | 'steps' | 'lr'> {
  /** Called with how many of the four searches are done. */
  readonly onDone?: (done: number, of: number) => void
}

/** What trained low-rank weights do on rows that they were not fitted on. */
export interface LorraFound {
  readonly layer: number
  readonly strength: number
  readonly effect: Estimate
  readonly coherence: Coherence
  /** The same training towards one random direction as long, one from shuffled sides, and the other way round. */
  readonly controls: SteerControls
  /** Whether the effect's low end is above 0, and above what the random and the shuffled direction did. */
  readonly steers: boolean
  /** At the first and the last step; see Lorra. */
  readonly loss: readonly [first: number, last: number]
  readonly rows: { readonly fit: readonly [number, number]; readonly measure: readonly [number, number]; readonly paired: boolean }
  /** Holds arrays in the engine until it is closed. */
  readonly lorra: Lorra
}

/**
 * LoRRA towards the direction from the negative to the positive rows, measured on rows held out beside the same training towards directions that should not
 * do it.
 *
 * throws  UserError for rows that are too few
 * source  Zou et al. 2023, arXiv:2310.01405
 */
export async function lorra(
  model: Model,
  positive: readonly SteerRow[],
  negative: readonly SteerRow[],
  options: LorraOptions,
): Promise<LorraFound> {
  const { layer, strength, pool = 'mean', coherence = 0.1, seed = 0, signal } = options
  const parts = dealSteerRows(positive, negative, options)
  const sides = ([a, b]: (typeof parts)['fit']) => [a.map((i) => positive[i]!.tree), b.map((i) => negative[i]!.tree)] as const
  const [fit, measure] = [sides(parts.fit), sides(parts.measure)]
  const texts = options.texts ?? plainTexts.map((text) => textOf(model, text))
  const [a, b] = [(await rowActivations(model, fit[0], { pool, signal }))[layer]!, (await rowActivations(model, fit[1], { pool, signal }))[layer]!] // biome-ignore format: one line
  const direction = steerDirection('caa', a, b, parts.paired)
  const read = fit.flat().map(({ prompt, completions }) => [...prompt, ...completions[0]!])
  const score = async (policy: Policy) => {
    const perToken = async (trees: readonly Tree[]) => (await scoreTrees(policy, trees)).map((sum, i) => sum / trees[i]!.completions[0]!.length) // biome-ignore format: one line
    return { rows: [await perToken(measure[0]), await perToken(measure[1])] as const, texts: await perToken(texts) }
  }
  const before = await score(model.policy)
  let done = 0
  const towards = async (to: ArrayLike<number>, times: number) => {
    const { rank, steps, lr } = options
    const trained = await fitLorra(model, read, { layer, direction: to, strength: times, seed, signal, ...(rank ? { rank } : {}), ...(steps ? { steps } : {}), ...(lr ? { lr } : {}) }) // biome-ignore format: one line
    const after = await score(trained.policy)
    options.onDone?.(++done, 4)
    return {
      trained,
      effect: effectOf(before.rows, after.rows, parts.paired),
      coherence: coherenceOf(before.texts, after.texts, coherence),
    }
  }
  const control = async (to: ArrayLike<number>, times = strength) => {
    const { trained, effect } = await towards(to, times)
    await trained.close()
    return effect
  }
  const controls = {
    random: await control(asLong(random(seed, 'lorra/random').normals(direction.length), direction)),
    shuffled: await control(asLong(steerDirection('caa', ...halfSwapped(a, b, parts.paired, seed, 0), parts.paired), direction)),
    flipped: await control(direction, -strength),
  }
  const { trained, ...measured } = await towards(direction, strength)
  const { effect } = measured
  return {
    layer,
    strength,
    ...measured,
    controls,
    steers: !effect.cannotTell && effect.low > Math.max(0, controls.random.estimate, controls.shuffled.estimate),
    loss: [trained.losses[0] ?? 0, trained.losses.at(-1) ?? 0],
    rows: { fit: [fit[0].length, fit[1].length], measure: [measure[0].length, measure[1].length], paired: parts.paired },
    lorra: trained,
  }
}
