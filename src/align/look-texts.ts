import { fewest, type TextNll } from '../accept/index.ts'
import { type Checkpoint, dataFile } from '../checkpoints/index.ts'
import { hashFile } from '../files/index.ts'
import { UserError } from '../graph/index.ts'
import { type Policy, scoreTrees } from '../policy/index.ts'
import type { Reference } from '../policy/reference.ts'
import { loadTexts, type Text } from '../preferences/index.ts'
import type { DataFile } from '../runs/index.ts'
import { loadChatTemplate } from '../text/index.ts'
import type { Watch } from './watch.ts'

/** The real text that looks measure the perplexity on, in tokens, with what the manifest says of it. */
export interface LookTexts {
  readonly texts: readonly Text[]
  readonly data: DataFile
}

/**
 * Reads the file of `look.texts`.
 *
 * throws  UserError as loadTexts, and where a bound is on texts that are too few to tell
 */
export async function openLookTexts(given: string, checkpoint: Checkpoint, watch: Watch, bounded = false): Promise<LookTexts> {
  const file = await dataFile(given, (line) => watch.note?.(line))
  const { rows, texts, quarantined, counts } = await loadTexts(file, checkpoint, { template: await loadChatTemplate(checkpoint.folder) })
  if (quarantined.length > 0)
    watch.note?.(`${file}: ${quarantined.length} of ${rows} texts can not be used (${Object.keys(counts).join(', ')})`)
  if (bounded && texts.length < fewest)
    throw new UserError(
      `accept.perplexityRise: must be measured on ${fewest} texts or more, got ${texts.length} usable of ${file}, which cannot tell; give more texts, or bound forwardKl`,
    )
  return {
    texts,
    data: { role: 'look.texts', path: file, sha256: await hashFile(file), rows, used: texts.length, quarantined: { ...counts } },
  }
}

/** What each text costs policy and reference, summed over its tokens. */
export async function textNlls(policy: Policy, reference: Reference, texts: readonly Text[], onBatch?: () => void): Promise<TextNll[]> {
  const trees = texts.flatMap((text) => text.trees)
  const [mine, theirs] = [await scoreTrees(policy, trees, {}, onBatch), await reference.logps(trees, onBatch)]
  let slot = 0
  return texts.map((text) => {
    const cost = { tokens: 0, policy: 0, reference: 0 }
    for (const { completions } of text.trees) {
      cost.tokens += completions[0]!.length
      cost.policy -= mine[slot]!
      cost.reference -= theirs[slot]!
      slot++
    }
    return cost
  })
}
