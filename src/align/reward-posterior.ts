import type { Example } from '../objectives/index.ts'
import type { Recipe } from '../recipe/recipe.ts'
import {
  centerOf,
  difference,
  endFeatures,
  type Features,
  headPosterior,
  type KeptPosterior,
  lessCenter,
  networkPosterior,
  tangentFeatures,
  writePosterior,
} from '../rewards/index.ts'
import type { Models } from './open-models.ts'
import { begin, type Watch } from './watch.ts'

/** Texts and what votes say of them: two that were compared and the share for the first, or one that was judged by itself and the share for it. */
interface Told {
  readonly texts: readonly (readonly number[])[]
  readonly share: number
}

/**
 * The posterior of the trained head, and of the whole network where the objective asks for it, given what it was trained on, written beside the
 * model's weights.
 *
 * Texts that were judged one by one tell of scores themselves: doubt is then of a score, and not of how far it is from the mean one.
 */
export async function keepPosterior(
  folder: string,
  models: Models,
  examples: readonly Example[],
  { objective }: Pick<Recipe, 'objective'>,
  watch: Watch,
): Promise<KeptPosterior> {
  const { lookPolicy, engine, signal } = models
  const told = examples.filter(({ gap }) => !gap).flatMap(toldBy)
  const texts = told.flatMap((one) => one.texts)
  const alone = texts.length === told.length
  const read = async (what: string, features: typeof endFeatures): Promise<Features> => {
    const bar = begin(watch, `${what} of the training ${alone ? (examples[0]?.steps ? 'steps' : 'completions') : 'pairs'}`, 100)
    const found = await features(lookPolicy, texts, { signal, onBatch: percents(bar) })
    bar.done()
    return found
  }
  const states = await read('features', endFeatures)
  const center = alone ? new Float64Array(states.width) : centerOf(states)
  const x = (i: number) => (alone ? lessCenter(states, i, center) : difference(states, 2 * i, 2 * i + 1))
  const head = (await engine.read(lookPolicy.params.score!)).data as Float32Array
  const compared = told.map(({ share }, i) => ({ x: x(i), q: share }))
  const posterior = { ...headPosterior(compared, { head }), center }
  // Outside of memory a network is brought in block by block, and its slopes are not taken.
  const whole = objective.params.posterior === 'network' && !lookPolicy.streamed
  const shares = told.map(({ share }) => share)
  const margins = compared.map((one) => one.x.reduce((sum, each, k) => sum + each * head[k]!, 0))
  const kept = whole
    ? { ...posterior, network: networkPosterior({ features: await read('slopes', tangentFeatures), shares, margins, alone }) }
    : posterior
  await writePosterior(folder, kept)
  return kept
}

function toldBy({ tree: { prompt, completions }, label, steps }: Example): Told | Told[] {
  if (steps) return steps.map((step) => ({ texts: [[...prompt, ...completions[0]!.slice(0, step.end)]], share: step.label }))
  return { texts: completions.map((ids) => [...prompt, ...ids]), share: label }
}

function percents(bar: ReturnType<typeof begin>): (done: number, of: number) => void {
  let shown = 0
  return (done, of) => {
    const percent = Math.floor((100 * done) / of)
    bar.advance(percent - shown)
    shown = percent
  }
}
