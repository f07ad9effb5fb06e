import { judgeCriteria, perplexityRise } from '../accept/index.ts'
import { onDisk } from '../files/index.ts'
import { type Example, keepGaps, type PairObjective } from '../objectives/index.ts'
import type { FromFile, FromTasks, Recipe } from '../recipe/recipe.ts'
import { withoutUndefined } from '../recipe/without-undefined.ts'
import { type Evaluation, type Run, roundFolder, type SampleRow } from '../runs/index.ts'
import { alarmsOf } from './alarms/index.ts'
import { auditsAtLook } from './audit-training.ts'
import { estimate } from './estimate.ts'
import { openLookTexts, textNlls } from './look-texts.ts'
import type { Loop } from './loop.ts'
import { heeding, type Models } from './open-models.ts'
import { keepPairsParts, measurePairs } from './pairs-held-out.ts'
import { openShutdown } from './shutdown-held-out.ts'
import { beforeTraining, keepShutdown, keepShutdownParts, measureShutdown, type ShutdownSeen, shutdownRows } from './shutdown-measures.ts'
import { stopsOf } from './stops.ts'
import { pairSupply } from './supply-pairs.ts'
import { taskSupply } from './supply-tasks.ts'
import { throughputOf } from './throughput.ts'
import { trainInto, trainingParts } from './train-into.ts'
import { begin, type Watch } from './watch.ts'

/**
 * Rounds on pairs from a file, or on answers to tasks: one training, which a round goes on with where the one before ended; what is looked at are
 * held-out rows of the file, and what `shutdown` names.
 */
export async function openGiven(
  given: Recipe,
  preferences: FromFile | FromTasks,
  models: Models,
  watch: Watch,
  signal?: AbortSignal,
): Promise<Loop> {
  const recipe = given.gap ? { ...given, objective: keepGaps(given.objective as PairObjective, given.gap.weight) } : given
  const held = await openShutdown(recipe, models, watch)
  const supply = await (preferences.kind === 'tasks'
    ? taskSupply(recipe, preferences, held, models, watch)
    : pairSupply(recipe, preferences, held, models, watch))
  const bounded = Object.hasOwn(recipe.accept, 'perplexityRise')
  const texts = recipe.look.texts === undefined ? undefined : await openLookTexts(recipe.look.texts, models.checkpoint, watch, bounded)
  const { trainee, lookPolicy, reference } = models
  const before = beforeTraining(held, models)
  const groups: (readonly Example[])[] = []
  let now = 0

  const restore = async (run: Run, round: number) => {
    if (round === now || round === 0) return
    await trainee.load(await run.path(`${roundFolder(round)}/model`))
    now = round
  }
  return {
    data: [supply.data, ...held.data.filter(({ role }) => role !== supply.data.role), ...(texts ? [texts.data] : [])],
    inside: supply.inside,
    async needs() {
      const speed = await throughputOf(models.engine)
      const work = await supply.work()
      const round = estimate(models.checkpoint.config, recipe.train, work, speed)
      return { round, all: { ...round, seconds: recipe.rounds * round.seconds }, rounds: recipe.rounds }
    },
    async keepParts(run) {
      if (recipe.shutdown) await keepShutdownParts(run, held)
      if (supply.heldOut) await keepPairsParts(run, supply.heldOut, recipe, watch)
    },
    restore,
    async train(run, round) {
      await restore(run, round - 1)
      const counts = await supply.counts()
      const perRound = counts.length
      for (let at = 0; at < round * perRound; at++) {
        const [of, group] = [Math.floor(at / perRound) + 1, (at % perRound) + 1]
        groups[at] ??= await supply.group(run, of, group)
        if (of < round) continue
        const later = Array.from({ length: recipe.rounds - round }, () => counts).flat()
        await trainInto(run, recipe, models, groups.slice(0, at + 1), {
          ...{ round, folder: 'checkpoint', watch, goesOn: true },
          toCome: [...counts.slice(group), ...later],
          ...(signal ? { signal } : {}),
        })
        signal?.throwIfAborted()
      }
      now = round
      const place = await run.path(`${roundFolder(round)}/model`)
      await onDisk(place, 4 * trainee.trained, () => trainee.save(place))
      return supply.contribution?.()
    },
    async look(run, round, which, contribution) {
      await restore(run, round)
      const looked = shutdownRows(held, which) + (supply.heldOut?.[which].length ?? 0)
      const bar = begin(watch, which === 'sealed' ? 'the sealed look' : `round ${round}: looking`, looked)
      const then = await before(which)
      const seen = await measureShutdown(lookPolicy, held, which, models)
      const pairs = supply.heldOut && (await measurePairs(lookPolicy, supply.heldOut, which, models))
      const folder = which === 'sealed' ? 'sealed' : roundFolder(round)
      const audits = await auditsAtLook(run, recipe, { round, folder }, async () => ({
        training: trainingParts(recipe, models, groups.length > 0 ? groups.flat() : await supply.group(run, 1, 1), 0),
        data: supply.stream,
      }))
      const nlls = texts && (await textNlls(lookPolicy, reference, texts.texts, heeding(models)))
      const measures = { ...seen.measures, ...pairs?.(), ...audits.measures, ...(nlls ? { perplexityRise: perplexityRise(nlls) } : {}) }
      await lookPolicy.rest()
      bar.advance(looked)
      bar.done()
      const metrics = (await run.readMetrics()).filter((row) => row.round === round)
      const evaluation: Evaluation = {
        ...{ round, look: which, prompts: looked },
        ...{ criteria: judgeCriteria(recipe.accept, measures), measures, correlations: [] },
        alarms: [...alarmsOf({ metrics, ...withoutUndefined({ displacement: pairs?.().displacement, contribution }) }), ...audits.alarms],
        ...stopsOf(recipe, measures, (risk) => ({
          ...seen.at(risk),
          ...pairs?.(risk),
          ...(nlls ? { perplexityRise: perplexityRise(nlls, risk) } : {}),
        })),
        ...(contribution ? { contribution } : {}),
      }
      await keepShutdown(run, evaluation, then, seen)
      const rows = answerRows(then, seen)
      if (rows.length > 0) await run.writeRows(`${folder}/samples.jsonl`, rows)
      await run.write(`${folder}/evaluation.json`, evaluation)
      watch.evaluation?.(evaluation)
      return evaluation
    },
  }
}

/** Answers to harmless prompts, before and after. */
function answerRows(before: ShutdownSeen, after: ShutdownSeen): SampleRow[] {
  const told = ({ text, tokens, ended }: { text: string; tokens: number; ended: boolean }) => ({ text, tokens, ended })
  return (after.answers ?? []).map(([mine], i) => ({
    prompt: mine!.sample.prompt,
    reference: told(before.answers![i]![0]!.sample),
    policy: told(mine!.sample),
  }))
}
