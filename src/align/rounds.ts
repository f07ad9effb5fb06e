import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import {
  type AskedRow,
  askedSchema,
  judged,
  pairsOf,
  pairUp,
  promptsOf,
  rolloutsOf,
  type VotedRow,
  votedSchema,
} from '../collect/collect.ts'
import { extremes } from '../collect/extremes.ts'
import { priorScale, type Scale, scaleOf } from '../collect/goal-scale.ts'
import { labelPairs } from '../collect/label.ts'
import { dealPrompts, type PromptParts } from '../collect/prompts.ts'
import { logpOf, type Spoken, sampleOf, speak, treeOf } from '../collect/sample-texts.ts'
import { onDisk } from '../files/index.ts'
import type { Sample } from '../goals/index.ts'
import { UserError } from '../graph/index.ts'
import type { OnPolicy, Recipe } from '../recipe/recipe.ts'
import { type ContributionRow, type DataFile, type Evaluation, type Run, roundFolder } from '../runs/index.ts'
import type { Example } from '../train/index.ts'
import { alignWork, estimate, type Needs, type Work } from './estimate.ts'
import { withReference } from './examples.ts'
import { look } from './look.ts'
import { hashFile } from './manifest.ts'
import { type Setting, seedFor } from './open-models.ts'
import { throughputOf } from './throughput.ts'
import { trainInto } from './train-into.ts'
import { begin, type Watch } from './watch.ts'

/** What the loop of align works on; each method is one of its lines, and finds again what an earlier process has done of it. */
export interface Material {
  readonly data: readonly DataFile[]
  /** What one round and all of them will take; measures the machine for a moment. */
  needs(): Promise<{ round: Needs; all: Needs; rounds: number }>
  /** How many times a round samples, and trains on what it sampled. */
  readonly rollouts: number
  /** Samples pairs from the newest policy and has them judged. */
  collect(run: Run, round: number, rollout: number): Promise<void>
  /** Soft labels of all pairs so far. */
  label(): Promise<Labelled>
  /** Trains on from the rollout before, or from the original model, and keeps what came of the last rollout under `rounds/`. */
  train(run: Run, round: number, labels: Labelled): Promise<void>
  look(run: Run, round: number, which: Evaluation['look'], contribution?: ContributionRow): Promise<Evaluation>
}

export interface Labelled {
  /** By the newest round's rollouts, in the order they are trained on; what earlier rounds collected comes with its first. */
  readonly examples: readonly (readonly Example[])[]
  readonly contribution?: ContributionRow
}

/**
 * Prepares a recipe whose preferences are collected on the way.
 *
 * throws  UserError when the recipe has a file of pairs instead, and as dealPrompts
 */
export async function openMaterial(recipe: Recipe, setting: Setting, watch: Watch, signal?: AbortSignal): Promise<Material> {
  const { preferences, seed, prior } = recipe
  if (preferences.kind !== 'onPolicy')
    throw new UserError(
      `preferences: align collects its own preferences from prompts and a judge, got a file of ${preferences.kind === 'file' ? 'pairs' : 'texts'}; use onPolicy({ prompts, judge }), or run: innate train`,
    )
  const { checkpoint, referencePolicy, reference, trainee } = setting
  const parts = await dealPrompts(recipe, preferences, checkpoint)
  const rollouts = rolloutsOf(parts.train.length, preferences)
  const pairsEach = preferences.trainOn === 'extremes' ? 1 : pairsOf(preferences.perPrompt, preferences.compare).length
  const voted: VotedRow[][] = []
  const before: Partial<Record<Evaluation['look'], readonly (readonly Spoken[])[]>> = {}
  let known: Scale | undefined

  // A completion is on one side of several pairs.
  const samples = new Map<string, Sample>()
  const sample = ({ prompt, promptIds, ...row }: AskedRow, side: 'a' | 'b') => {
    const key = `${promptIds} ${row[side].ids} ${row[side].ended}`
    const told = samples.get(key) ?? sampleOf(checkpoint.tokenizer, { text: prompt, ids: promptIds }, row[side])
    samples.set(key, told)
    return told
  }
  /** The first rollout's completions are the reference's, and give every later one its scale. */
  const scale = (first: readonly AskedRow[] = voted[0]!.filter(({ rollout }) => rollout === 1)) =>
    (known ??= scaleOf(
      recipe,
      preferences,
      first.flatMap((row) => [sample(row, 'a'), sample(row, 'b')]),
    ))
  const onCompletion = (bar: ReturnType<typeof begin>) => {
    signal?.throwIfAborted()
    bar.advance()
  }

  async function sampled(run: Run, round: number, rollout: number): Promise<AskedRow[]> {
    const file = `${roundFolder(round)}/asked.jsonl`
    if (run.has(file)) return run.readRows(file, askedSchema)
    const prompts = promptsOf(round, parts.train, preferences as OnPolicy)[rollout - 1]!
    const { perPrompt, compare, sampling } = preferences as OnPolicy
    const first = round === 1 && rollout === 1
    const bar = begin(watch, `round ${round}: sampling`, prompts.length * perPrompt)
    let told = !first
    const groups = await speak(first ? referencePolicy : trainee.policy, checkpoint, prompts, {
      ...sampling,
      perPrompt,
      seed: seedFor(seed, `sample/${at(round, rollout)}`),
      onCompletion(prompt, _, completion) {
        onCompletion(bar)
        if (told) return
        told = true
        watch.story?.(prompts[prompt]!.text, sampleOf(checkpoint.tokenizer, prompts[prompt]!, completion).text)
      },
    })
    bar.done()
    if (first) await reference.remember(groups.map(treeOf), groups.flat().map(logpOf))
    const rows = pairUp(groups, compare)
    await run.writeRows(file, rows)
    return rows
  }

  /** What an earlier process did up to the end of a round: its votes, and the policy as it was then. */
  async function catchUp(run: Run, round: number) {
    if (voted.length >= round) return
    while (voted.length < round) voted.push(await run.readRows(`${roundFolder(voted.length + 1)}/pairs.jsonl`, votedSchema))
    await trainee.load(await run.path(`${roundFolder(round)}/model`))
  }

  return {
    data: [await promptData(preferences, parts)],
    rollouts: rollouts.length,

    async needs() {
      const speed = await throughputOf(setting.engine)
      const { round, all } = alignWork(recipe, preferences, parts, checkpoint.config)
      const needed = (work: Work) => estimate(checkpoint.config, recipe.train, work, speed)
      return { round: needed(round), all: needed(all), rounds: recipe.rounds }
    },

    async collect(run, round, rollout) {
      await catchUp(run, round - 1)
      const file = `${roundFolder(round)}/pairs.jsonl`
      const before = run.has(file) ? await run.readRows(file, votedSchema) : []
      if (!before.some((row) => row.rollout === rollout)) {
        const rows = await sampled(run, round, rollout)
        const pairs = rows.map((row) => ({ a: sample(row, 'a'), b: sample(row, 'b') }))
        const votes = await judged((voted[0] ? scale() : scale(rows)).judge, pairs, seedFor(seed, `votes/${at(round, rollout)}`))
        const found = rows.map((row, i): VotedRow => ({ ...row, votes: votes[i]!, rollout }))
        await run.writeRows(file, [...before, ...found])
      }
      await rm(await run.path(`${roundFolder(round)}/asked.jsonl`), { force: true })
      const all = await run.readRows(file, votedSchema)
      voted[round - 1] = all.filter((row) => row.rollout <= rollout)
    },

    async label() {
      const pairs = voted.flat()
      const { standard } = scale()
      const { soft, contribution } = labelPairs(
        pairs.map((row) => ({ a: sample(row, 'a'), b: sample(row, 'b'), votes: row.votes })),
        recipe.kappa,
        prior && standard && { prior, standard: priorScale(standard, prior) },
      )
      // The likelier side is called chosen, so that log-ratios read as one expects.
      const rounds = voted.map((rows, round) => {
        const earlier = voted.slice(0, round).reduce((sum, { length }) => sum + length, 0)
        return rows.map(({ promptIds, a, b, rollout }, i) => {
          const p = soft[earlier + i]!
          const tree = { prompt: promptIds, completions: p >= 0.5 ? [a.ids, b.ids] : [b.ids, a.ids] }
          return { tree, label: Math.max(p, 1 - p), rollout: round + 1 === voted.length ? rollout : 1 }
        })
      })
      const labelled = rounds.flatMap((all) => (preferences.trainOn === 'extremes' ? extremes(all) : all))
      const whole = await withReference(labelled, reference, watch)
      const count = Math.max(...labelled.map(({ rollout }) => rollout))
      const examples = Array.from({ length: count }, (_, k) => whole.filter((_, i) => labelled[i]!.rollout === k + 1))
      return { examples, ...(contribution ? { contribution } : {}) }
    },

    async train(run, round, { examples }) {
      const [model, folder] = [`${roundFolder(round)}/model`, `${roundFolder(round)}/checkpoint`]
      // The checkpoint goes when the model is whole, so a model without one is a round that was trained to its end.
      if (run.has(model) && !run.has(`${folder}/state.safetensors`)) return trainee.load(await run.path(model))
      await trainee.reset()
      const toCome = rollouts.slice(examples.length).map((prompts) => prompts * pairsEach)
      await trainInto(run, recipe, setting, examples, { round, folder, watch, toCome, ...(signal ? { signal } : {}) })
      signal?.throwIfAborted()
      if (toCome.length > 0) return
      const place = await run.path(model)
      await onDisk(place, 4 * trainee.trained, () => trainee.save(place))
      await rm(await run.path(folder), { recursive: true, force: true })
    },

    async look(run, round, which, contribution) {
      await catchUp(run, round)
      const prompts = which === 'sealed' ? parts.sealed : parts.development
      const { maxTokens } = preferences.sampling
      const { perPrompt } = recipe.look
      const sides = before[which] ? 1 : 2
      const bar = begin(watch, which === 'sealed' ? 'the sealed look' : `round ${round}: looking`, prompts.length * perPrompt * sides)
      const limits = { ...(maxTokens ? { maxTokens } : {}), onCompletion: () => onCompletion(bar) }
      before[which] ??= await speak(referencePolicy, checkpoint, prompts, { ...limits, perPrompt, seed: seedFor(seed, `before/${which}`) })
      const { standard, judge } = scale()
      const { evaluation, rows } = await look(
        {
          recipe,
          checkpoint,
          policy: trainee.policy,
          reference,
          judge,
          standard,
          gold: recipe.gold,
          before: before[which],
          prompts,
          ...limits,
          seed: seedFor(seed, `after/${which}/${round}`),
        },
        { round, look: which },
      )
      bar.done()
      const whole = { ...evaluation, ...(contribution ? { contribution } : {}) }
      const folder = which === 'sealed' ? 'sealed' : roundFolder(round)
      await run.writeRows(`${folder}/samples.jsonl`, rows)
      await run.write(`${folder}/evaluation.json`, whole)
      watch.evaluation?.(whole)
      return whole
    },
  }
}

/** A rollout's place in what its random numbers come from. */
function at(round: number, rollout: number): string {
  return rollout === 1 ? String(round) : `${round}/${rollout}`
}

async function promptData({ prompts }: OnPolicy, { read, train, development, sealed }: PromptParts): Promise<DataFile> {
  const used = train.length + development.length + sealed.length
  const [path, sha256] =
    typeof prompts === 'string'
      ? [prompts, await hashFile(prompts)]
      : ['in the recipe', createHash('sha256').update(JSON.stringify(prompts)).digest('hex')]
  return { role: 'prompts', path, sha256, rows: read, used, quarantined: {} }
}
