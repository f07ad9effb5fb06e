import { pairsOf, rolloutsOf } from '../collect/collect.ts'
import type { PromptParts } from '../collect/prompts.ts'
import type { DecoderConfig } from '../models/index.ts'
import { type CacheSize, LONGEST_JOINED } from '../policy/index.ts'
import { referencePerPrompt } from '../recipe/held-out-pairs.ts'
import type { OnPolicy, Recipe, TrainSettings } from '../recipe/recipe.ts'
import { blockwiseFor, memoryNeeds, sizesOf } from './memory-needs.ts'

/** What a run will have to do, in input positions; `wanted` of them pass through the head. */
export interface Work {
  /** Positions of a prompt with its completions, on average. */
  readonly length: number
  readonly sampled: number
  /** The most completions that are written side by side, on average from so many tokens up to so many. */
  readonly sampling?: CacheSize
  readonly scored: { readonly positions: number; readonly wanted: number }
  readonly trained: { readonly positions: number; readonly wanted: number }
}

/** What some work needs: time, and the memory of its largest moment. */
export interface Needs {
  readonly seconds: number
  readonly bytes: number
}

/** Shares of the speed of a large product that the phases reach, measured on stories15m. */
const efficiency = { sampling: 0.35, scoring: 0.8, training: 0.8 }

/**
 * Time and memory of some work before it begins.
 *
 * units   throughput in FLOP/s
 * limits  time within a factor of two on a quiet machine; memory counts parameters, gradients, moments, activations and caches
 */
export function estimate(config: DecoderConfig, train: TrainSettings, work: Work, throughput: number): Needs {
  const { sampled, scored, trained, length } = work
  const { block, head } = sizesOf(config)
  // Two operations a parameter; attention reads half of the length on average, in two products.
  const attention = 2 * config.layers * config.heads * config.headDim * length
  const forward = (positions: number, wanted: number) => positions * (2 * block + attention) + wanted * 2 * head
  // Backwards is twice forwards; what is frozen needs no gradient of its own. Block by block, what is inside is computed once more.
  const passes = (train.lora ? 2 : 3) + (blockwiseFor(config, train) ? 1 : 0)
  const seconds =
    forward(sampled, sampled) / efficiency.sampling +
    forward(scored.positions, scored.wanted) / efficiency.scoring +
    (passes * forward(trained.positions, trained.wanted)) / efficiency.training
  return { seconds: seconds / throughput, bytes: memoryNeeds(config, train, work) }
}

/** What align has to do in its first round, and in all rounds with the sealed look, when every completion takes what it may. */
export function alignWork(
  recipe: Recipe,
  preferences: OnPolicy,
  { train: prompts }: Pick<PromptParts, 'train'>,
  { contextLength }: DecoderConfig,
  textTokens = 0,
): { round: Work; all: Work } {
  const { look, rounds, train } = recipe
  const byReference = referencePerPrompt(recipe)
  const { perPrompt, compare, trainOn, sampling } = preferences
  const before = prompts.reduce((sum, { ids }) => sum + ids.length, 0) / prompts.length
  const after = Math.min(sampling.maxTokens ?? contextLength, contextLength - before)
  const rollouts = rolloutsOf(prompts.length, preferences)
  const asked = rollouts.reduce((a, b) => a + b)
  // Both sides are scored; prompts are read once for that, and once to go on from.
  const read = (n: number) => ({ positions: n * before, wanted: 0 })
  const lookAt = (n: number) => {
    const scored = Math.min(look.scored ?? n, n)
    const texts = { positions: textTokens, wanted: textTokens }
    return [read(2 * n), texts].reduce(add, {
      positions: 2 * scored * (before + look.perPrompt * after),
      wanted: 2 * scored * look.perPrompt * after,
    })
  }
  // Pairs of a prompt share its tree where that is not too long; else each has its own.
  const shared = before + perPrompt * after <= LONGEST_JOINED
  const [trees, sides] = trainOn === 'extremes' ? [1, 2] : shared ? [1, perPrompt] : [pairsOf(perPrompt, compare).length, 2]
  const compared = (n: number) => ({ positions: n * trees * (before + sides * after), wanted: n * trees * sides * after })
  const length = before + sides * after
  const cache = sideBySide(Math.max(asked * perPrompt, look.sealed * look.perPrompt), before, after)
  const round: Work = {
    length,
    sampling: cache,
    sampled: (asked * perPrompt + look.development * (look.perPrompt + byReference)) * after,
    scored: add(add(read(asked), lookAt(look.development)), compared(asked - rollouts[0]!)),
    trained: compared(train.epochs * asked),
  }
  const looks = Array.from({ length: rounds }, () => lookAt(look.development)).reduce(add, lookAt(look.sealed))
  // Round n trains on the pairs of n rounds; of those the first rollout's alone are the reference's own. Its side of the development
  // look is sampled once.
  const all: Work = {
    length,
    sampling: cache,
    sampled:
      (rounds * asked * perPrompt +
        (rounds * look.development + look.sealed) * look.perPrompt +
        (look.development + look.sealed) * byReference) *
      after,
    scored: add(add(read(rounds * asked), looks), compared(rounds * asked - rollouts[0]!)),
    trained: compared((train.epochs * asked * rounds * (rounds + 1)) / 2),
  }
  return { round, all }
}

/** What align has to do in its first round, and in all rounds with the sealed look, on rewards, when every completion takes what it may. */
export function rewardedWork(
  { look, rounds, train }: Recipe,
  { sampling, group, asked }: { readonly sampling: { maxTokens?: number }; readonly group: number; readonly asked: number },
  { train: prompts }: Pick<PromptParts, 'train'>,
  { contextLength }: DecoderConfig,
): { round: Work; all: Work } {
  const before = prompts.reduce((sum, { ids }) => sum + ids.length, 0) / prompts.length
  const after = Math.min(sampling.maxTokens ?? contextLength, contextLength - before)
  const length = before + group * after
  const groups = { positions: asked * length, wanted: asked * group * after }
  const times = ({ positions, wanted }: Work['scored'], n: number) => ({ positions: n * positions, wanted: n * wanted })
  const lookAt = (n: number) => {
    const scored = Math.min(look.scored ?? n, n)
    return { positions: 2 * scored * (before + look.perPrompt * after), wanted: 2 * scored * look.perPrompt * after }
  }
  const work = (rounds: number, looked: number, sealed: number): Work => ({
    length,
    sampling: sideBySide(asked * group, before, after),
    sampled: (rounds * asked * group + (looked * look.development + sealed * look.sealed + look.development) * look.perPrompt) * after,
    scored: add(add(times(groups, rounds), times(lookAt(look.development), looked)), times(lookAt(look.sealed), sealed)),
    trained: times(groups, rounds * train.epochs),
  })
  return { round: work(1, 1, 0), all: work(rounds, rounds, 2) }
}

/** So many completions, as many at a time as sampling writes unless told. */
function sideBySide(completions: number, before: number, after: number): CacheSize {
  return { rows: Math.min(64, completions), from: before, longest: before + after }
}

/** How many trees there are, and the tokens of their prompts and of their completions. */
export interface SizeOfTrees {
  readonly count: number
  readonly prompts: number
  readonly completions: number
}

function sizeOfTrees(trees: readonly { prompt: readonly number[]; completions: readonly (readonly number[])[] }[]): SizeOfTrees {
  const completions = trees.reduce((sum, tree) => sum + tree.completions.reduce((n, { length }) => n + length, 0), 0)
  return { count: trees.length, prompts: trees.reduce((sum, { prompt }) => sum + prompt.length, 0), completions }
}

/** What training on a file has to do, the reference's scoring included: from the step after `done` to step `until`, or to the last. */
export function trainWork(
  { epochs, batch }: TrainSettings,
  trees: readonly { prompt: readonly number[]; completions: readonly (readonly number[])[] }[] | SizeOfTrees,
  { done = 0, until }: { done?: number; until?: number | undefined } = {},
): Work {
  const { count, prompts, completions: wanted } = 'count' in trees ? trees : sizeOfTrees(trees)
  const perEpoch = Math.ceil(count / batch)
  const steps = Math.min(until ?? epochs * perEpoch, epochs * perEpoch)
  const taken = Math.max(0, steps - done) / perEpoch
  const seen = Math.max(0, Math.min(1, steps / perEpoch) - Math.min(1, done / perEpoch))
  const positions = wanted + prompts
  return {
    length: positions / count,
    sampled: 0,
    // The samples that a report shows.
    sampling: sideBySide(8, prompts / count, 96),
    scored: { positions: seen * positions, wanted: seen * wanted },
    trained: { positions: taken * positions, wanted: taken * wanted },
  }
}

function add(a: Work['scored'], b: Work['scored']): Work['scored'] {
  return { positions: a.positions + b.positions, wanted: a.wanted + b.wanted }
}
