import { rm } from 'node:fs/promises'
import { z } from 'zod'
import { type Goal, goalsJudge, type Judge, type Standard, standardise } from '../goals/index.ts'
import { UserError } from '../graph/index.ts'
import type { Tree } from '../models/index.ts'
import { type ContributionRow, type DataFile, type Evaluation, onDisk, type Run, roundFolder } from '../runs/index.ts'
import { type Example, train } from '../train/index.ts'
import { labelPairs } from './label.ts'
import { look } from './look.ts'
import { dealPrompts, type Prompt } from './prompts.ts'
import type { OnPolicy, Recipe } from './recipe.ts'
import { hashFile, type Setting, seedFor } from './setting.ts'
import { logpOf, type Spoken, sampleOf, speak, treeOf } from './speak.ts'
import { begin, type Watch } from './watch.ts'

/** What the loop of align works on; each method is one of its lines. */
export interface Material {
  readonly data: readonly DataFile[]
  /** Samples pairs from the newest policy and has them judged, or reads what this round collected before. */
  collect(run: Run, round: number): Promise<void>
  /** Soft labels of all pairs so far. */
  label(): Promise<{ examples: Example[]; contribution?: ContributionRow }>
  train(run: Run, round: number, examples: readonly Example[], signal?: AbortSignal): Promise<void>
  look(run: Run, round: number, which: Evaluation['look'], contribution?: ContributionRow): Promise<Evaluation>
  /** Saves the policy as it stands. */
  save(run: Run, name: string): Promise<string>
}

/** Two completions of a prompt that were put before the judge, as a round keeps them. */
const pairSchema = z.object({
  prompt: z.string(),
  promptIds: z.array(z.int()),
  a: z.object({ ids: z.array(z.int()), ended: z.boolean() }),
  b: z.object({ ids: z.array(z.int()), ended: z.boolean() }),
  votes: z.tuple([z.number(), z.number()]),
})
type PairRow = z.infer<typeof pairSchema>

/** Prepares a recipe whose preferences are collected on the way. */
export async function openMaterial(recipe: Recipe, setting: Setting, watch: Watch): Promise<Material> {
  const { preferences, seed, prior } = recipe
  if (preferences.kind === 'file')
    throw new UserError(
      'preferences: align collects its own preferences from prompts and a judge, got a file of pairs; use onPolicy({ prompts, judge }), or run: innate train',
    )
  const { checkpoint, referencePolicy, reference, trainee } = setting
  const parts = await dealPrompts(recipe, preferences, checkpoint)
  const goals = measured(recipe)
  const pairs: PairRow[] = []
  const before: Partial<Record<Evaluation['look'], readonly Spoken[]>> = {}
  let standard: Standard | undefined
  let judge: Judge | undefined = preferences.judge.kind === 'byGoals' ? undefined : preferences.judge
  let newest = 0

  /** The scale of the goals is that of the reference's samples: the first round's. */
  function settle() {
    const firstRound = pairs
      .slice(0, pairsPerRound(preferences as OnPolicy, parts.train.length))
      .flatMap((row) => [sample(row, 'a'), sample(row, 'b')])
    standard ??= goals.length > 0 ? standardise(goals, firstRound) : undefined
    if (preferences.kind === 'onPolicy' && preferences.judge.kind === 'byGoals') {
      const { weights } = preferences.judge
      judge ??= goalsJudge(
        standardise(goalsNamed(recipe, Object.keys(weights)), firstRound),
        Object.keys(weights).map((name) => weights[name]!),
      )
    }
  }
  const promptOf = ({ prompt, promptIds }: PairRow): Prompt => ({ text: prompt, ids: promptIds })
  const sample = (row: PairRow, side: 'a' | 'b') => sampleOf(checkpoint.tokenizer, promptOf(row), row[side])

  return {
    data:
      typeof preferences.prompts === 'string'
        ? [
            {
              role: 'prompts',
              path: preferences.prompts,
              sha256: await hashFile(preferences.prompts),
              rows: parts.train.length + parts.development.length + parts.sealed.length,
              used: parts.train.length + parts.development.length + parts.sealed.length,
              quarantined: {},
            },
          ]
        : [],

    async collect(run, round) {
      await catchUp(run, round - 1)
      newest = round
      const file = `${roundFolder(round)}/pairs.jsonl`
      if (run.has(file)) {
        pairs.push(...(await run.readRows(file, pairSchema)))
        return settle()
      }
      const chosen = promptsOf(round, parts.train, preferences)
      const bar = begin(watch, `round ${round}: sampling`, chosen.length * preferences.perPrompt)
      let told = round > 1
      const groups = await speak(round === 1 ? referencePolicy : trainee.policy, checkpoint, chosen, {
        ...preferences.sampling,
        perPrompt: preferences.perPrompt,
        seed: seedFor(seed, `sample/${round}`),
        onCompletion: (prompt, _, completion) => {
          bar.advance()
          if (told) return
          told = true
          watch.story?.(chosen[prompt]!.text, sampleOf(checkpoint.tokenizer, chosen[prompt]!, completion).text)
        },
      })
      bar.done()
      if (round === 1) await reference.remember(groups.flat().map(treeOf), groups.flat().map(logpOf))
      const fresh = groups.flatMap(pairUp)
      const found = fresh.map(
        ([a, b]): PairRow => ({ prompt: a.prompt.text, promptIds: [...a.prompt.ids], a: kept(a), b: kept(b), votes: [0, 0] }),
      )
      pairs.push(...found)
      settle()
      const votes = await judge!.votes(
        fresh.map(([a, b]) => ({ a: a.sample, b: b.sample })),
        seedFor(seed, `votes/${round}`),
      )
      found.forEach((row, i) => {
        row.votes = [...votes[i]!] as [number, number]
      })
      await run.writeRows(file, found)
    },

    async label() {
      const voted = pairs.map((row) => ({ a: sample(row, 'a'), b: sample(row, 'b'), votes: row.votes }))
      const within = prior &&
        standard && {
          prior,
          standard: {
            ...standard,
            goals: prior.goals,
            mean: standard.mean.slice(0, prior.goals.length),
            sd: standard.sd.slice(0, prior.goals.length),
          },
        }
      const { soft, contribution } = labelPairs(voted, recipe.kappa, within)
      // The likelier side is called chosen, so that log-ratios read as one expects.
      const trees = pairs.map(
        ({ promptIds, a, b }, i): Tree => ({ prompt: promptIds, completions: soft[i]! >= 0.5 ? [a.ids, b.ids] : [b.ids, a.ids] }),
      )
      const logps = await reference.logps(trees)
      const examples = trees.map(
        (tree, i): Example => ({ tree, reference: logps.slice(2 * i, 2 * i + 2), label: Math.max(soft[i]!, 1 - soft[i]!) }),
      )
      return { examples, ...(contribution ? { contribution } : {}) }
    },

    async train(run, round, examples, signal) {
      const file = await run.path(`${roundFolder(round)}/checkpoint/state.safetensors`)
      await trainee.reset()
      let bar: ReturnType<typeof begin> | undefined
      await train({
        ...recipe.train,
        policy: trainee.policy,
        objective: recipe.objective,
        ...(recipe.loss ? { loss: recipe.loss } : {}),
        examples,
        seed: seedFor(recipe.train.seed, `order/${round}`),
        round,
        referenceOf: reference.logps,
        checkpoint: { file, everySeconds: recipe.train.checkpointSeconds },
        resume: true,
        ...(signal ? { signal } : {}),
        async onStart({ step, steps }) {
          await run.truncateMetrics({ round, step })
          bar = begin(watch, `round ${round}: training`, steps)
          bar.advance(step)
        },
        async onStep(metrics, at) {
          await run.appendMetrics(metrics)
          watch.step?.(metrics, at)
          bar!.advance(1, `loss ${metrics.loss.toFixed(3)}`)
        },
      })
      bar?.done()
      if (signal?.aborted) return
      await save(run, `${roundFolder(round)}/model`)
      await rm(await run.path(`${roundFolder(round)}/checkpoint`), { recursive: true, force: true })
    },

    async look(run, round, which, contribution) {
      await catchUp(run, round)
      const prompts = which === 'sealed' ? parts.sealed : parts.development
      const { maxTokens } = preferences.sampling
      const bar = begin(watch, which === 'sealed' ? 'the sealed look' : `round ${round}: looking`, prompts.length * (before[which] ? 1 : 2))
      const limits = { ...(maxTokens ? { maxTokens } : {}), onCompletion: () => bar.advance() }
      before[which] ??= (await speak(referencePolicy, checkpoint, prompts, { ...limits, seed: seedFor(seed, `before/${which}`) })).map(
        ([first]) => first!,
      )
      const { evaluation, rows } = await look(
        {
          recipe,
          checkpoint,
          policy: trainee.policy,
          reference,
          judge: judge!,
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

    save,
  }

  async function save(run: Run, name: string): Promise<string> {
    const folder = await run.path(name)
    await onDisk(folder, 4 * trainee.trained, () => trainee.save(folder))
    return folder
  }

  /** What an earlier process did up to the end of a round: its pairs, and the policy as it was then. */
  async function catchUp(run: Run, round: number) {
    if (newest >= round) return
    for (let earlier = newest + 1; earlier <= round; earlier++)
      pairs.push(...(await run.readRows(`${roundFolder(earlier)}/pairs.jsonl`, pairSchema)))
    newest = round
    settle()
    await trainee.load(await run.path(`${roundFolder(round)}/model`))
  }
}

/** The goals that are measured: the prior's, then the gold measure. */
function measured({ prior, gold }: Recipe): Goal[] {
  return [...(prior?.goals ?? []), ...(gold ? [gold] : [])]
}

function goalsNamed({ prior }: Recipe, names: readonly string[]): Goal[] {
  return names.map((name) => {
    const found = prior?.goals.find((goal) => goal.name === name)
    if (!found)
      throw new UserError(
        `preferences.judge.goals: must name goals of the prior, got ${name}; choose from ${prior?.goals.map((goal) => goal.name).join(', ') ?? 'none: the recipe has no prior'}`,
      )
    return found
  })
}

/** The prompts of a round: the next ones in order, from the start again when all were used. */
function promptsOf(round: number, all: readonly Prompt[], { promptsPerRound }: OnPolicy): Prompt[] {
  const count = Math.min(promptsPerRound, all.length)
  return Array.from({ length: count }, (_, i) => all[((round - 1) * count + i) % all.length]!)
}

function pairsPerRound({ promptsPerRound, perPrompt }: OnPolicy, prompts: number): number {
  return Math.min(promptsPerRound, prompts) * Math.floor(perPrompt / 2)
}

/** Completions of one prompt two by two; two that say the same tell nothing and are left out. */
function pairUp(group: readonly Spoken[]): [Spoken, Spoken][] {
  const two = Array.from({ length: Math.floor(group.length / 2) }, (_, k): [Spoken, Spoken] => [group[2 * k]!, group[2 * k + 1]!])
  return two.filter(([a, b]) => a.sample.text !== b.sample.text)
}

function kept({ completion: { ids, ended } }: Spoken): { ids: number[]; ended: boolean } {
  return { ids: [...ids], ended }
}
