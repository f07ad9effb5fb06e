import { meanInterval } from '../../accept/index.ts'
import { openModel } from '../../policy/index.ts'
import type { Estimate } from '../../runs/index.ts'
import { laidTexts, textLosses } from '../stitch-top.ts'
import { readTextFile } from '../text-file.ts'

/** What a model of a merge loses on texts; tokens are its own. */
export interface MergeLoss {
  readonly model: string
  /** Mean over texts, nats per token. */
  readonly loss: Estimate
}

/**
 * The loss of models in folders on the texts of a file, one model open at a time.
 *
 * throws  UserError as readTextFile, and for fewer than two texts
 */
export async function mergeLosses(
  file: string,
  folders: readonly { readonly name: string; readonly folder: string }[],
  { signal, onModel }: { readonly signal?: AbortSignal; readonly onModel?: () => void } = {},
): Promise<MergeLoss[]> {
  const losses: MergeLoss[] = []
  for (const { name, folder } of folders) {
    const model = await openModel(folder)
    try {
      const texts = await readTextFile(file, model, { least: 2 })
      const each = await textLosses(model.policy, laidTexts(texts.map(({ ids }) => ids), model.policy), signal) // biome-ignore format: one line
      losses.push({ model: name, loss: meanInterval('loss', each, 'nats per token') })
      onModel?.()
    } finally {
      await model.close()
    }
  }
  return losses
}
