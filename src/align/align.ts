import { cp } from 'node:fs/promises'
import { decide } from '../accept/index.ts'
import { judgeFacts } from '../collect/judge-facts.ts'
import { writeFolder } from '../files/write.ts'
import { checkDemands } from '../recipe/bounds.ts'
import type { Recipe } from '../recipe/recipe.ts'
import { type Evaluation, evaluationSchema, type Run, roundFolder, type Verdict, verdictSchema, writeReport } from '../runs/index.ts'
import { type Clocked, clocked } from './clock.ts'
import { keepInside } from './inside.ts'
import { pruneRounds } from './keep-rounds.ts'
import type { Loop } from './loop.ts'
import { manifestOf } from './manifest.ts'
import { openLoop } from './open-loop.ts'
import { openModels } from './open-models.ts'
import { takeRun } from './take-run.ts'
import { during, type Watch } from './watch.ts'

export interface AlignOptions {
  readonly watch?: Watch
  /** Aborted, the run saves and stops by throwing the signal's reason. */
  readonly signal?: AbortSignal
  /** Go on with the run in `recipe.run`; one that has ended says its verdict again. */
  readonly resume?: boolean
  /** Wait for people's labels where some are missing; otherwise LabelsMissing says how many, and a run that is resumed goes on. */
  readonly wait?: boolean
  /** The command line that reproduces the run, for its manifest. */
  readonly command?: string
}

export interface Aligned extends Verdict {
  readonly run: string
  /** The aligned model; only when it was accepted. */
  readonly model?: string
}

/**
 * The five steps: a weak prior, preferences, a loss, backpropagation from the original model, and again until what was declared
 * acceptable holds on prompts that were looked at once, or until a stop rule says no.
 *
 * throws  UserError for what is wrong with recipe, files or judge
 */
export async function align(recipe: Recipe, options: AlignOptions = {}): Promise<Aligned> {
  const { signal, resume, command = 'align(recipe)' } = options
  const clock = clocked(options.watch ?? {})
  const { watch } = clock
  checkDemands(recipe)
  const models = await during(watch, 'opening the model', () => openModels(recipe, watch, { signal }))
  let run: Run | undefined
  let loop: Loop | undefined
  try {
    loop = await openLoop(recipe, models, watch, { ...(signal ? { signal } : {}), ...(options.wait ? { wait: true } : {}) })
    run = await takeRun(recipe.run, await manifestOf(recipe, 'align', models, loop.data, command), { resume, watch })
    if (run.has('verdict.json')) watch.note?.('this run has ended; its verdict is said again, and nothing is left to go on with')
    else watch.needs?.(await loop.needs())
    await loop.keepParts(run)
    const evaluations = await doneBefore(run)
    for (;;) {
      signal?.throwIfAborted()
      const decision = decide(evaluations, { rounds: recipe.rounds, ...recipe.stop })
      if (decision.next === 'stop') {
        if (!run.has('verdict.json')) {
          await loop.restore(run, evaluations.at(-1)!.round)
          await keepInside(run, recipe, models, loop.inside, watch)
        }
        return await finish(run, decision.verdict, recipe, clock)
      }
      if (decision.next === 'sealed look') {
        evaluations.push(await loop.look(run, decision.round, 'sealed'))
        continue
      }
      const round = evaluations.length + 1
      const contribution = await loop.train(run, round) //                               1 to 4
      evaluations.push(await loop.look(run, round, 'development', contribution)) //      5
      await pruneRounds(run, evaluations, recipe.keepRounds)
    }
  } finally {
    if (run && !run.has('verdict.json')) await clock.keep(run)
    await run?.close()
    await loop?.close?.()
    if (recipe.preferences.kind === 'onPolicy' && recipe.preferences.judge.kind !== 'byGoals') await recipe.preferences.judge.close?.()
    await models.engine.close()
  }
}

/** Looks that an earlier process took. */
async function doneBefore(run: Run): Promise<Evaluation[]> {
  const evaluations: Evaluation[] = []
  const add = async (file: string) => evaluations.push(await run.read(file, evaluationSchema))
  for (let round = 1; run.has(`${roundFolder(round)}/evaluation.json`); round++) await add(`${roundFolder(round)}/evaluation.json`)
  if (run.has('sealed/evaluation.json')) await add('sealed/evaluation.json')
  return evaluations
}

/** What a judge that keeps what it said has said so far. */
async function judgedBy({ preferences }: Recipe): Promise<Pick<Verdict, 'judged'>> {
  const judge = preferences.kind === 'onPolicy' && preferences.judge.kind !== 'byGoals' ? preferences.judge : undefined
  if (!judge?.spoken) return {}
  return { judged: judgeFacts(await judge.spoken(), await judge.spent?.()) }
}

/** Verdict, model and report. The accepted model is the last round's as it was looked at. */
async function finish(run: Run, now: Verdict, recipe: Recipe, clock: Clocked): Promise<Aligned> {
  const ended = run.has('verdict.json')
  const verdict: Verdict = ended ? await run.read('verdict.json', verdictSchema) : { ...now, ...(await judgedBy(recipe)) }
  const accepted = verdict.verdict === 'accepted' && verdict.round !== undefined
  const model = await run.path('model')
  if (accepted && !run.has('model')) {
    const from = await run.path(`${roundFolder(verdict.round)}/model`)
    await writeFolder(model, (temporary) => cp(from, temporary, { recursive: true }))
  }
  if (!ended) await clock.keep(run)
  if (!ended) await run.write('verdict.json', verdict)
  if (run.manifest.ended === undefined) await run.close({ ended: true })
  await writeReport(run)
  return { ...verdict, run: run.folder, ...(accepted ? { model } : {}) }
}
