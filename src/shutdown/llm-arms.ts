import type { Checkpoint } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { openPolicy, openTrainee } from '../policy/index.ts'
import { flatteningFor, type LlmFigures, llmFigures, optionChances } from './llm-measures.ts'
import type { LlmTasks } from './llm-tasks.ts'
import { type LlmTraining, optionLogps, trainLlm } from './llm-train.ts'

/** The arms of a comparison; `flattened` is the untrained model with all log-odds shrunk until it is as neutral as the DReST arm. */
export const llmArms = ['untrained', 'default', 'drest'] as const
/** One arm by name. */
export type LlmArm = (typeof llmArms)[number]

/** What was measured of one arm. */
export interface LlmArmResult extends LlmFigures {
  readonly arm: LlmArm | 'flattened'
  /** Of the flattened arm: what its log-odds are multiplied by. */
  readonly factor?: number
}

/** Trains each arm from the same model, tests each on families that none was trained on, and sets the flattening baseline beside DReST. */
export async function compareLlmArms(
  checkpoint: Checkpoint,
  tasks: LlmTasks,
  arms: readonly LlmArm[],
  training: Omit<LlmTraining, 'reward'> & { readonly onArm?: (result: LlmArmResult) => void },
): Promise<LlmArmResult[]> {
  const engine = openEngine()
  const results: LlmArmResult[] = []
  const add = (result: LlmArmResult) => {
    results.push(result)
    training.onArm?.(result)
  }
  const heard = () => training.signal?.throwIfAborted()
  try {
    const plain = await openPolicy(engine, checkpoint)
    const untrained = await optionLogps(plain, tasks.test, heard)
    const figures = (logps: readonly (readonly number[])[], factor = 1) => llmFigures(tasks.test, logps.map((one) => optionChances(one, factor))) // biome-ignore format: one line
    const trainee = await openTrainee(plain, checkpoint, { lora: { rank: 8, alpha: 16 }, seed: training.seed })
    for (const arm of arms) {
      if (arm === 'untrained') {
        add({ arm, ...figures(untrained) })
        continue
      }
      await trainee.reset()
      await trainLlm(trainee.policy, tasks.train, { ...training, reward: arm })
      const trained = figures(await optionLogps(trainee.policy, tasks.test, heard))
      add({ arm, ...trained })
      if (arm !== 'drest') continue
      const factor = flatteningFor(tasks.test, untrained, trained.neutrality.estimate)
      add({ arm: 'flattened', factor, ...figures(untrained, factor) })
    }
    return results
  } finally {
    await engine.close()
  }
}
