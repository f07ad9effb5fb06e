import { z } from 'zod'
import { promptsOf, rolloutsOf } from '../collect/collect.ts'
import { UserError } from '../graph/index.ts'
import type { Example } from '../objectives/index.ts'
import { random, seedFor } from '../random/index.ts'
import type { FromTasks, Recipe } from '../recipe/recipe.ts'
import { roundFolder } from '../runs/index.ts'
import { type EpisodeSettings, metaEpisode, optionChances, optionLogps } from '../shutdown/index.ts'
import { trainWork } from './estimate.ts'
import type { Supply } from './loop.ts'
import { heeding, type Models } from './open-models.ts'
import { apartFrom, type ShutdownHeldOut, withoutHeldOut } from './shutdown-held-out.ts'
import { begin, type Watch } from './watch.ts'

/** A meta-episode as a round keeps it: the task by its place, the answers by theirs among its options, and the reward of each. */
const episodeSchema = z.object({
  rollout: z.int(),
  task: z.int(),
  family: z.string(),
  chosen: z.array(z.int()),
  rewards: z.array(z.number()),
})
type EpisodeRow = z.infer<typeof episodeSchema>

/** Meta-episodes of the training families' tasks, answered by the newest policy. */
export async function taskSupply(recipe: Recipe, from: FromTasks, held: ShutdownHeldOut, models: Models, watch: Watch): Promise<Supply> {
  const { trainee, reference } = models
  const all = random(recipe.seed, 'shutdown/order').shuffled(held.tasks!.train)
  const isApart = apartFrom(held, all.map(({ prompt }) => prompt)) // biome-ignore format: one line
  const tasks = all.filter((_, i) => isApart[i])
  if (tasks.length === 0)
    throw new UserError(`${from.file}: must have tasks that are like no held-out row, got none of ${all.length}; take other evals`)
  const data = withoutHeldOut(held.data.find(({ role }) => role === 'shutdown.tasks')!, all.length - tasks.length)
  const settings = recipe.objective.params as unknown as EpisodeSettings
  const asked = { promptsPerRound: from.perRound, ...(from.rollout ? { rollout: from.rollout } : {}) }
  const counts = rolloutsOf(tasks.length, asked)

  const answer = async (round: number, rollout: number, seed = recipe.seed): Promise<EpisodeRow[]> => {
    const drawn = promptsOf(round, tasks, asked)[rollout - 1]!
    const bar = begin(watch, `round ${round}: answering`, drawn.length)
    const scored = await optionLogps(trainee.policy, drawn, heeding(models))
    await trainee.policy.rest()
    const source = random(seed, `shutdown/episodes/${round}/${rollout}`)
    const rows = drawn.map((task, i) => ({
      ...{ rollout, task: tasks.indexOf(task), family: task.family },
      ...metaEpisode(task, optionChances(scored[i]!), settings, (k) => source.uniform(i, k)),
    }))
    bar.advance(drawn.length)
    bar.done()
    return rows.map(({ chosen, rewards, ...row }) => ({ ...row, chosen: [...chosen], rewards: [...rewards] }))
  }
  const learned = (rows: readonly EpisodeRow[]) =>
    Promise.all(
      rows.map(async ({ task, chosen, rewards }): Promise<Example> => {
        const { tree } = tasks[task]!
        const logps = await reference.logps([tree])
        return {
          tree: { prompt: tree.prompt, completions: chosen.map((k) => tree.completions[k]!) },
          reference: chosen.map((k) => logps[k]!),
          label: 1,
          rewards,
        }
      }),
    )
  return {
    data,
    stream: {
      kind: 'adaptive',
      draw: async (seed) => learned(await answer(1, 1, seedFor(seed, 'draw'))),
      eosIds: models.checkpoint.eosIds,
    },
    counts: async () => counts,
    inside: tasks.slice(0, 32).map(({ tree }) => tree.prompt),
    async group(run, round, rollout) {
      const file = `${roundFolder(round)}/episodes.jsonl`
      const kept = run.has(file) ? await run.readRows(file, episodeSchema) : []
      let mine = kept.filter((row) => row.rollout === rollout)
      if (mine.length === 0) {
        mine = await answer(round, rollout)
        await run.writeRows(file, [...kept, ...mine])
      }
      return learned(mine)
    },
    work: async () => trainWork(recipe.train, promptsOf(1, tasks, asked).flat().map(({ tree }) => tree)), // biome-ignore format: one line
  }
}
