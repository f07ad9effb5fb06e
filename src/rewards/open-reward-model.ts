import { type Checkpoint, loadCheckpoint } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { openPolicy } from '../policy/index.ts'
import { endFeatures, lessCenter, scoresOf } from './end-features.ts'
import { varianceAt } from './head-posterior.ts'
import { networkVariance, unitFeature } from './network-posterior.ts'
import { type KeptPosterior, readPosterior } from './posterior-file.ts'
import type { Scored } from './reward.ts'
import { tangentFeatures } from './tangent-features.ts'
import { upToPadding } from './with-head.ts'

/** A reward model in an engine of its own. */
export interface RewardModel {
  readonly checkpoint: Checkpoint
  /** What it knows of its doubt, where its folder has it. */
  readonly posterior?: KeptPosterior
  /** Scores whole texts in tokens, prompt and completion, each read to its last token that is no padding. */
  score(
    texts: readonly (readonly number[])[],
    options?: { readonly signal?: AbortSignal | undefined; readonly onBatch?: (done: number, of: number) => void },
  ): Promise<Scored[]>
  close(): Promise<void>
}

/**
 * Opens a reward model's folder, that of a run, or one of transformers (`…ForSequenceClassification` with one label).
 *
 * throws  UserError for a policy, a head that is not finite, and as loadCheckpoint
 */
export async function openRewardModel(folder: string, onProgress?: (line: string) => void): Promise<RewardModel> {
  const checkpoint = await loadCheckpoint(folder, { as: 'reward', ...(onProgress ? { onProgress } : {}) })
  const head = checkpoint.params.score!
  const posterior = await readPosterior(checkpoint.folder, head)
  const engine = openEngine()
  const policy = await openPolicy(engine, checkpoint, undefined, { fixed: true })
  return {
    checkpoint,
    ...(posterior ? { posterior } : {}),
    async score(texts, options) {
      const { padId } = checkpoint.config.reward!
      const ended = texts.map((ids) => upToPadding(ids, padId)).map((ids, i) => (ids.length > 0 ? ids : texts[i]!.slice(0, 1)))
      const features = await endFeatures(policy, ended, options)
      const values = scoresOf(features, head.data)
      if (!posterior) return values.map((value) => ({ value }))
      const away = (i: number) => lessCenter(features, i, posterior.center)
      const { network } = posterior
      if (!network) return values.map((value, i) => ({ value, sd: Math.sqrt(varianceAt(posterior, away(i))) }))
      const tangents = await tangentFeatures(policy, ended, { signal: options?.signal })
      return values.map((value, i) => ({ value, sd: Math.sqrt(networkVariance(network, unitFeature(network, tangents, i))) }))
    },
    close: () => engine.close(),
  }
}
