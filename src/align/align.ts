import { decide } from '../accept/index.ts'
import {
  type ContributionRow,
  createRun,
  type Evaluation,
  evaluationSchema,
  openRun,
  type Run,
  roundFolder,
  type Verdict,
  writeReport,
} from '../runs/index.ts'
import { type Material, openMaterial } from './material.ts'
import type { Recipe } from './recipe.ts'
import { manifestOf, openSetting } from './setting.ts'
import type { Watch } from './watch.ts'

export interface AlignOptions {
  readonly watch?: Watch
  readonly signal?: AbortSignal
  /** Go on with the run in `recipe.run`. */
  readonly resume?: boolean
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
  const { watch = {}, signal } = options
  const setting = await openSetting(recipe, watch)
  let run: Run | undefined
  try {
    const material = await openMaterial(recipe, setting, watch)
    run = options.resume
      ? await openRun(recipe.run!, { resume: true })
      : await createRun(recipe.run, await manifestOf(recipe, 'align', setting, material.data, options.command ?? 'align(recipe)'))
    const evaluations = await doneBefore(run)
    for (;;) {
      signal?.throwIfAborted()
      const decision = decide(evaluations, { rounds: recipe.rounds, ...recipe.stop })
      if (decision.next === 'stop') return await finish(run, decision.verdict, material)
      if (decision.next === 'sealed look') {
        evaluations.push(await material.look(run, decision.round, 'sealed'))
        continue
      }
      const round = evaluations.length + 1
      await material.collect(run, round) //                      1, 2: sample from the newest policy, and let the judge vote
      const { examples, contribution } = await material.label() // 1: what prior and votes together make of every pair so far
      await material.train(run, round, examples, signal) //        3, 4: the loss, backwards, from the original model
      signal?.throwIfAborted()
      evaluations.push(await material.look(run, round, 'development', contribution))
    }
  } finally {
    await run?.close()
    await setting.engine.close()
  }
}

/** Rounds that an earlier process brought to their end. */
async function doneBefore(run: Run): Promise<Evaluation[]> {
  const evaluations: Evaluation[] = []
  for (let round = 1; run.has(`${roundFolder(round)}/evaluation.json`); round++)
    evaluations.push(await run.read(`${roundFolder(round)}/evaluation.json`, evaluationSchema))
  return evaluations
}

async function finish(run: Run, verdict: Verdict, material: Material): Promise<Aligned> {
  const model = verdict.verdict === 'accepted' ? await material.save(run, 'model') : undefined
  await run.write('verdict.json', verdict)
  await run.close({ ended: true })
  await writeReport(run)
  return { ...verdict, run: run.folder, ...(model ? { model } : {}) }
}

export type { ContributionRow }
