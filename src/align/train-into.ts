import type { Example, RolloutObjective } from '../objectives/index.ts'
import { seedFor } from '../random/index.ts'
import type { Recipe, TrainSettings } from '../recipe/recipe.ts'
import { type Metrics, type Run, roundFolder } from '../runs/index.ts'
import { planSteps, type Trained, type Training, train } from '../train/index.ts'
import { auditTraining, keepAudits } from './audit-training.ts'
import type { Models } from './open-models.ts'
import { begin, type Watch } from './watch.ts'

export interface TrainingInto {
  /** 0 for a plain training run. */
  readonly round: number
  /** Where parameters and optimizer are kept, in the run folder. */
  readonly folder: string
  readonly watch: Watch
  readonly signal?: AbortSignal
  readonly maxSteps?: number
  readonly toCome?: Training['toCome']
  /** Rounds are parts of one training, which goes on where the one before ended. */
  readonly goesOn?: boolean
  readonly measure?: Training['measure']
  readonly draw?: Training['draw']
  readonly load?: Training['load']
  /** Hears each step before it is kept. */
  readonly onStep?: (metrics: Metrics) => void
}

/** Pairs a step in a round. */
function batchOf({ batch, batchGrowth = 0 }: Pick<TrainSettings, 'batch' | 'batchGrowth'>, round: number): number {
  return Math.round(batch * Math.max(1, round) ** batchGrowth)
}

/** What decides which examples a step of a round takes. */
export function orderOf(
  { preferences, train, objective }: Recipe,
  round: number,
): Pick<Training, 'batch' | 'epochs' | 'seed' | 'shuffle' | 'together'> {
  // Of rollouts a batch counts completions, and an example is a group of them.
  const rewarded = preferences.kind === 'rewarded'
  const group = rewarded || preferences.kind === 'rollouts' ? (objective as RolloutObjective).group! : 1
  return {
    batch: batchOf(train, round) / group,
    epochs: train.epochs,
    seed: round === 0 ? train.seed : seedFor(train.seed, `order/${round}`),
    shuffle: !rewarded && (preferences.kind === 'onPolicy' || preferences.kind === 'tasks' || preferences.shuffle),
    together: preferences.kind === 'onPolicy',
  }
}

/** What a recipe trains with in a round, from where the policy is. */
export function trainingParts(
  recipe: Recipe,
  { trainee, reference }: Pick<Models, 'trainee' | 'reference'>,
  examples: readonly Example[],
  round: number,
): Training {
  const { objective, loss } = recipe
  return {
    ...recipe.train,
    ...orderOf(recipe, round),
    policy: trainee.policy,
    objective,
    ...(loss ? { loss } : {}),
    examples,
    referenceOf: reference.logps,
  }
}

/** Trains what is trained of a models as a recipe says, into a run folder: metrics step by step, and a checkpoint to go on from. */
export async function trainInto(
  run: Run,
  recipe: Recipe,
  { trainee, reference }: Models,
  [examples = [], ...later]: readonly (readonly Example[])[],
  { round, folder, watch, signal, maxSteps, toCome, goesOn, measure, draw, load, onStep }: TrainingInto,
): Promise<Trained> {
  const parts = {
    ...trainingParts(recipe, { trainee, reference }, examples, goesOn ? 0 : round),
    later,
    ...(toCome ? { toCome } : {}),
    ...(draw ? { draw } : {}),
    ...(load ? { load } : {}),
    round,
  }
  const first = load && {
    ...parts,
    examples: await load(planSteps(parts).plan[0]!),
    load: (now: readonly Example[]) => Promise.resolve(now),
  }
  const audit = await auditTraining(recipe, first ?? parts, watch)
  let bar: ReturnType<typeof begin> | undefined
  const trained = await train({
    ...parts,
    around: audit.around,
    checkpoint: { file: await run.path(`${folder}/state.safetensors`), everySeconds: recipe.train.checkpointSeconds },
    resume: true,
    ...(maxSteps ? { maxSteps } : {}),
    ...(signal ? { signal } : {}),
    ...(measure ? { measure } : {}),
    async onStart({ step, steps }) {
      await run.truncateMetrics({ round, step })
      bar = begin(watch, round === 0 ? 'training' : `round ${round}: training`, steps, step)
    },
    async onStep(metrics, at) {
      onStep?.(metrics)
      await run.appendMetrics(metrics)
      watch.step?.(metrics, at)
      bar!.advance(1, `loss ${metrics.loss.toFixed(3)}`)
    },
  })
  bar?.done()
  await keepAudits(run, round === 0 ? '.' : roundFolder(round), await audit.found())
  return trained
}
