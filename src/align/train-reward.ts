import { z } from 'zod'
import { calibrationOf, meanInterval, meanOf, type ReliabilityBin, tail } from '../accept/index.ts'
import type { Example } from '../objectives/index.ts'
import type { Labelled, Pair } from '../preferences/index.ts'
import type { Recipe } from '../recipe/recipe.ts'
import {
  centerOf,
  difference,
  endFeatures,
  type Features,
  headPosterior,
  type KeptPosterior,
  type NetworkPosterior,
  networkMarginVariances,
  networkPosterior,
  scoresOf,
  tangentFeatures,
  upToPadding,
  varianceAt,
  winChance,
  writePosterior,
} from '../rewards/index.ts'
import { estimateSchema, type MeasureRow, type Run, type Shown, tableFile } from '../runs/index.ts'
import { byPrompt, byVotes } from './held-out.ts'
import type { Models } from './open-models.ts'
import { begin, type Watch } from './watch.ts'

const binSchema = z.object({ low: z.number(), high: z.number(), n: z.int(), confidence: z.number(), accuracy: z.number() })

/**
 * What held-out pairs say of a reward model: the share that it ranks as they were voted, and how far the probability that it gives to its choice
 * is from that share (`ece`). `eceIfCalibrated` is what as many pairs show of a model without such an error. Margins and their doubt are means.
 */
export const heldOutRewardsSchema = z.object({
  pairs: z.int(),
  ties: z.int(),
  gaps: z.int(),
  accuracy: estimateSchema,
  ece: estimateSchema,
  eceIfCalibrated: z.number(),
  rewardMargin: estimateSchema,
  /** One standard deviation of a margin, by the posterior. */
  marginSd: z.number(),
  reliability: z.array(binSchema).readonly(),
})
export type HeldOutRewards = Readonly<z.infer<typeof heldOutRewardsSchema>>

/** The same row, each completion up to its last token that is no padding: where transformers reads a score. */
export function readToEnd<T extends Pair | Labelled>(row: T, { checkpoint }: Pick<Models, 'checkpoint'>): T {
  const padId = checkpoint.config.reward?.padId
  return 'chosen' in row
    ? { ...row, chosen: upToPadding(row.chosen, padId), rejected: upToPadding(row.rejected, padId) }
    : { ...row, completion: upToPadding(row.completion, padId) }
}

/** Two completions of one prompt, and the share of the votes for the first. */
interface VotedPair {
  readonly prompt: readonly number[]
  readonly sides: readonly [readonly number[], readonly number[]]
  readonly share: number
}

/**
 * The posterior of the trained head, and of the whole network where the objective asks for it, given the pairs that it was trained on, written beside
 * the model's weights.
 */
export async function keepPosterior(
  folder: string,
  models: Models,
  examples: readonly Example[],
  { objective }: Pick<Recipe, 'objective'>,
  watch: Watch,
): Promise<KeptPosterior> {
  const { lookPolicy, engine, signal } = models
  const trained = examples
    .filter(({ gap }) => !gap)
    .map(({ tree: { prompt, completions }, label }) => ({ prompt, sides: [completions[0]!, completions[1]!] as const, share: label }))
  const bar = begin(watch, 'features of the training pairs', 100)
  const features = await endFeatures(lookPolicy, trained.flatMap(textsOf), { signal, onBatch: percents(bar) })
  bar.done()
  const head = (await engine.read(lookPolicy.params.score!)).data as Float32Array
  const posterior = { ...headPosterior(comparedOf(trained, features), { head }), center: centerOf(features) }
  // Outside of memory a network is brought in block by block, and its slopes are not taken.
  const whole = objective.params.posterior === 'network' && !lookPolicy.streamed
  const kept = whole ? { ...posterior, network: await ofNetwork() } : posterior
  await writePosterior(folder, kept)
  return kept

  async function ofNetwork(): Promise<NetworkPosterior> {
    const more = begin(watch, 'slopes of the pairs', 100)
    const onBatch = percents(more)
    const own = await tangentFeatures(lookPolicy, trained.flatMap(textsOf), { signal, onBatch })
    more.done()
    return networkPosterior({ features: own, shares: trained.map(({ share }) => share) })
  }
}

function textsOf({ prompt, sides }: VotedPair): number[][] {
  return sides.map((ids) => [...prompt, ...ids])
}

function comparedOf(pairs: readonly VotedPair[], features: Features): { x: Float64Array; q: number }[] {
  return pairs.map(({ share }, i) => ({ x: difference(features, 2 * i, 2 * i + 1), q: share }))
}

/** Pairs on which the votes do not tie, the side with more of them first. */
function decidedPairs(rows: readonly (Pair | Labelled)[]): Pair[] {
  return rows.filter((row): row is Pair => 'chosen' in row && !row.gap && row.votes[0] !== row.votes[1]).map(byVotes)
}

function percents(bar: ReturnType<typeof begin>): (done: number, of: number) => void {
  let shown = 0
  return (done, of) => {
    const percent = Math.floor((100 * done) / of)
    bar.advance(percent - shown)
    shown = percent
  }
}

/** Measures a trained reward model on pairs that it was not trained on; or says why there are too few of them. */
export async function measureRewards(
  { lookPolicy, signal }: Models,
  posterior: KeptPosterior,
  rows: readonly (Pair | Labelled)[],
): Promise<HeldOutRewards | { readonly tooFew: string }> {
  const all = rows.filter((row): row is Pair => 'chosen' in row)
  const pairs = all.filter(({ gap }) => !gap)
  const decided = decidedPairs(rows)
  const groups = byPrompt(decided)
  if (groups.length < 2) return { tooFew: `pairs on at least 2 prompts whose votes do not tie, got ${decided.length} on ${groups.length}` }
  const texts = decided.flatMap(({ prompt, chosen, rejected }) => [chosen, rejected].map((ids) => [...prompt, ...ids]))
  const features = await endFeatures(lookPolicy, texts, { signal })
  const scores = scoresOf(features, posterior.mean)
  const margins = decided.map((_, i) => scores[2 * i]! - scores[2 * i + 1]!)
  const { network } = posterior
  const variances = network
    ? networkMarginVariances(network, await tangentFeatures(lookPolicy, texts, { signal }))
    : decided.map((_, i) => varianceAt(posterior, difference(features, 2 * i, 2 * i + 1)))
  const groupOf = new Map(groups.flatMap((group, g) => group.map((i) => [i, g] as const)))
  const predicted = decided.map((_, i) => ({ group: groupOf.get(i)!, chance: winChance(margins[i]!, variances[i]!) }))
  const { ece, eceIfCalibrated, bins } = calibrationOf(predicted)
  const byGroup = (numbers: readonly number[]) => groups.map((group) => group.map((i) => numbers[i]!))
  const right = margins.map((margin) => (Math.sign(margin) + 1) / 2)
  return {
    pairs: decided.length,
    ties: pairs.length - decided.length,
    gaps: all.length - pairs.length,
    accuracy: meanOf('accuracy', byGroup(right), 'share', [0, 1]),
    ece,
    eceIfCalibrated,
    rewardMargin: meanOf('rewardMargin', byGroup(margins), 'log-odds'),
    marginSd: Math.sqrt(variances.reduce((sum, v) => sum + v, 0) / variances.length),
    reliability: bins,
  }
}

/** Puts the reliability diagram into a run's folder, for its report. */
export async function keepReliability(run: Run, { reliability, ece, eceIfCalibrated, pairs }: HeldOutRewards): Promise<void> {
  await run.write(tableFile('reward-reliability'), reliabilityTable(reliability, ece, eceIfCalibrated, pairs))
}

function reliabilityTable(bins: readonly ReliabilityBin[], ece: HeldOutRewards['ece'], perfect: number, pairs: number): Shown {
  const seen = bins.map(({ n, confidence, accuracy }): MeasureRow => {
    const right = Math.round(accuracy * n)
    const outcomes = Array.from({ length: n }, (_, i) => (i < right ? 1 : 0))
    const { low, high } = n < 2 ? { low: 0, high: 1 } : meanInterval('accuracy', outcomes, 'share', [0, 1], tail)
    return { name: 'seen', group: { confidence, n }, estimate: accuracy, low, high, n, unit: 'share' }
  })
  const said = [0.5, 1].map(
    (x): MeasureRow => ({ name: 'as said', group: { confidence: x, n: 0 }, estimate: x, low: x, high: x, n: pairs, unit: 'share' }),
  )
  const three = (x: number) => x.toFixed(3)
  const about = `how often the better side was the one that the model gave so much probability to, on ${pairs} held-out pairs, in bins of a tenth with exact 95 % intervals; expected calibration error ${three(ece.estimate)} [${three(ece.low)}, ${three(ece.high)}], and ${three(perfect)} on average were every probability right`
  return {
    table: { about, rows: [...seen, ...said] },
    as: 'lines',
    axes: {
      title: 'Reliability',
      unit: 'share that is right',
      x: 'confidence',
      xLabel: 'probability that the model gave to its choice',
      span: [0.4, 1],
    },
    section: 'reward',
  }
}
