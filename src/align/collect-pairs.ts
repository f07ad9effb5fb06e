import { rm } from 'node:fs/promises'
import { askJudge } from '../collect/ask-judge.ts'
import { type AskedRow, askedSchema, pairUp, promptsOf, type VotedRow, votedSchema } from '../collect/collect.ts'
import { priorScale } from '../collect/goal-scale.ts'
import { logpOf, type SampledText, sampleTexts, treeOf } from '../collect/sample-texts.ts'
import { features, type JudgedPair, posteriorOf, voteTells } from '../goals/index.ts'
import { seedFor } from '../random/index.ts'
import { type Run, roundFolder } from '../runs/index.ts'
import { asking, countCompletion, type Rounds, readGoals, restoreRound, scaleOfRounds } from './rounds.ts'
import { begin } from './watch.ts'

/** Samples one rollout's completions from the newest policy, pairs them, and has them judged; what an earlier process kept is read instead. */
export async function collectPairs(rounds: Rounds, run: Run, round: number, rollout: number): Promise<void> {
  const { voted, recipe, preferences, decodeSide } = rounds
  await restoreRound(rounds, run, round - 1)
  const file = `${roundFolder(round)}/pairs.jsonl`
  const before = run.has(file) ? await run.readRows(file, votedSchema) : []
  if (!before.some((row) => row.rollout === rollout)) {
    const rows = await samplePairs(rounds, run, round, rollout)
    const pairs = rows.map((row) => ({ a: decodeSide(row, 'a'), b: decodeSide(row, 'b') }))
    await readGoals(rounds, rows)
    const { judge } = voted[0] ? scaleOfRounds(rounds) : scaleOfRounds(rounds, rows)
    const seed = seedFor(recipe.seed, `votes/${streamOf(round, rollout)}`)
    const answers = await askJudge(judge, pairs, {
      seed,
      order: preferences.order,
      ...tellsOf(rounds, pairs),
      ...asking(rounds, `round ${round}: judging`),
    })
    const found = rows.map((row, i): VotedRow => ({ ...row, ...answers[i]!, rollout }))
    await run.writeRows(file, [...before, ...found])
  }
  await rm(await run.path(`${roundFolder(round)}/asked.jsonl`), { force: true })
  const all = await run.readRows(file, votedSchema)
  voted[round - 1] = all.filter((row) => row.rollout <= rollout)
}

/** How much votes on each pair would tell of the goals' weights, by the posterior of all votes so far. */
function tellsOf(rounds: Rounds, pairs: readonly JudgedPair[]): { tells?: readonly number[] } {
  const { recipe, voted, decodeSide, scale } = rounds
  if (!recipe.prior || !scale?.goalScale) return {}
  const goals = priorScale(scale.goalScale, recipe.prior)
  const before = voted.flat().map((row) => ({
    x: features(goals, decodeSide(row, 'a'), decodeSide(row, 'b')),
    votes: row.votes,
    cluster: row.prompt,
  }))
  const posterior = posteriorOf(recipe.prior, before)
  return { tells: pairs.map(({ a, b }) => voteTells(posterior, features(goals, a, b))) }
}

/** The very first completions are the reference's own, unless an edit tells it from the policy, and the first of them is shown. */
async function samplePairs(rounds: Rounds, run: Run, round: number, rollout: number): Promise<AskedRow[]> {
  const { recipe, preferences, models, watch } = rounds
  const { checkpoint, referencePolicy, reference, trainee, startsAsReference } = models
  const file = `${roundFolder(round)}/asked.jsonl`
  if (run.has(file)) return run.readRows(file, askedSchema)
  const prompts = promptsOf(round, rounds.prompts.train, preferences)[rollout - 1]!
  const { perPrompt, compare, sampling } = preferences
  const first = round === 1 && rollout === 1
  const bar = begin(watch, `round ${round}: sampling`, prompts.length * perPrompt)
  const ofReference = first && startsAsReference
  const policy = ofReference ? referencePolicy : trainee.policy
  const how = { ...sampling, perPrompt, seed: seedFor(recipe.seed, `sample/${streamOf(round, rollout)}`) }
  if (first && watch.firstCompletion) {
    // Written alone before the others: it is there at once, and the same again among them.
    const [[said]] = (await sampleTexts(policy, checkpoint, prompts.slice(0, 1), { ...how, perPrompt: 1 })) as [[SampledText]]
    watch.firstCompletion(prompts[0]!.text, said.sample.text)
  }
  const groups = await sampleTexts(policy, checkpoint, prompts, { ...how, onCompletion: () => countCompletion(rounds, bar) })
  bar.done()
  // What was sampled from rounded weights has their log-probabilities.
  if (ofReference && (sampling.weights ?? 'f32') === 'f32') await reference.remember(groups.map(treeOf), groups.flat().map(logpOf))
  const rows = pairUp(groups, compare)
  await run.writeRows(file, rows)
  return rows
}

/** The name of a rollout's stream of random numbers. */
function streamOf(round: number, rollout: number): string {
  return rollout === 1 ? String(round) : `${round}/${rollout}`
}
