import { join, resolve } from 'node:path'
import { hashFile } from '../files/index.ts'
import { UserError } from '../graph/index.ts'
import { type Aggregation, aggregate } from './ensemble.ts'
import { openRewardModel, type RewardModel } from './open-reward-model.ts'

/**
 * Opens several reward models as one. Each begins its scale where the mean of what it was trained on is, since only differences of scores are
 * learned; checkpoint and template are the first one's.
 *
 * throws  UserError for fewer than two folders, one named twice, members of other vocabularies, and as openRewardModel
 */
export async function openEnsemble(
  folders: readonly string[],
  { by, lambda, onProgress }: { readonly by?: Aggregation; readonly lambda?: number; readonly onProgress?: (line: string) => void } = {},
): Promise<RewardModel> {
  const different = new Set(folders.map((folder) => resolve(folder)))
  if (different.size < 2 || different.size < folders.length)
    throw new UserError(
      `reward: an ensemble must have at least 2 members, each another folder, got ${folders.join(' and ') || 'none'}; train more, with other seeds or bootstraps`,
    )
  const members: RewardModel[] = []
  const close = async () => {
    for (const member of members) await member.close()
  }
  try {
    for (const folder of folders) members.push(await openRewardModel(folder, onProgress))
    const hashes = await Promise.all(members.map(({ checkpoint }) => hashFile(join(checkpoint.folder, 'tokenizer.json'))))
    const other = hashes.findIndex((hash) => hash !== hashes[0])
    if (other > 0)
      throw new UserError(
        `reward: members of an ensemble must have one vocabulary, got another one in ${folders[other]} than in ${folders[0]}; train all from one model`,
      )
  } catch (error) {
    await close()
    throw error
  }
  return {
    checkpoint: members[0]!.checkpoint,
    async score(texts, { signal, onBatch } = {}) {
      const scored: Awaited<ReturnType<RewardModel['score']>>[] = []
      for (const [m, member] of members.entries()) {
        const { posterior } = member
        const origin = posterior ? posterior.mean.reduce((sum, w, k) => sum + w * posterior.center[k]!, 0) : 0
        const said = await member.score(texts, {
          signal,
          ...(onBatch ? { onBatch: (done, of) => onBatch(m * of + done, members.length * of) } : {}),
        })
        scored.push(said.map((one) => ({ ...one, value: one.value - origin })))
      }
      return aggregate(scored, by, lambda)
    },
    close,
  }
}
