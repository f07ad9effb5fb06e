import { join } from 'node:path'
import { hashFile } from '../files/index.ts'
import { UserError } from '../graph/index.ts'
import { type PreferenceRow, tokenise } from '../preferences/index.ts'
import { beginningIds, type ChatTemplate, loadChatTemplate } from '../text/index.ts'
import type { Aggregation } from './ensemble.ts'
import { openEnsemble } from './open-ensemble.ts'
import { openRewardModel, type RewardModel } from './open-reward-model.ts'
import type { Reward, RewardRow } from './reward.ts'

export interface FolderRewardOptions {
  /** The folder of the model that writes the completions: where its tokenizer is the reward model's too, ids are scored as they come. */
  readonly writer?: string
  /** How the scores of several folders become one: see aggregate. */
  readonly by?: Aggregation
  readonly lambda?: number
  readonly onProgress?: (line: string) => void
}

/**
 * A reward model's folder as a reward: each score with one standard deviation of doubt, where the folder has a posterior. Several folders are an
 * ensemble.
 *
 * A model of another vocabulary reads the text: it is written with the reward model's own tokenizer and chat template.
 *
 * throws  UserError for a policy's folder; on scoring, for a prompt in ids of another vocabulary, and for a text longer than its context
 */
export async function folderReward(
  folder: string | readonly string[],
  { writer, by, lambda, onProgress }: FolderRewardOptions = {},
): Promise<Reward> {
  const shown = onProgress ? { onProgress } : {}
  const model =
    typeof folder === 'string'
      ? await openRewardModel(folder, onProgress)
      : await openEnsemble(folder, { ...shown, ...(by ? { by } : {}), ...(lambda === undefined ? {} : { lambda }) })
  const name = [folder].flat().join(' + ')
  const template = await loadChatTemplate(model.checkpoint.folder)
  const shared = writer !== undefined && (await sameTokenizer(writer, model.checkpoint.folder))
  return {
    name,
    async score(rows, signal) {
      if (rows.length === 0) return []
      const texts = rows.map((row, i) => idsOf(row, i, model, template, shared))
      const scored = await model.score(texts, { signal })
      const wrong = scored.findIndex(({ value }) => !Number.isFinite(value))
      if (wrong >= 0)
        throw new UserError(`reward: every score must be finite, got ${scored[wrong]!.value} for row ${wrong}; train ${name} again`)
      return scored
    },
    close: model.close,
  }
}

async function sameTokenizer(one: string, other: string): Promise<boolean> {
  const hash = (folder: string) => hashFile(join(folder, 'tokenizer.json')).catch(() => folder)
  return (await hash(one)) === (await hash(other))
}

/** Prompt and completion in the reward model's tokens. */
function idsOf(row: RewardRow, i: number, { checkpoint }: RewardModel, template: ChatTemplate | undefined, shared: boolean): number[] {
  const { prompt, completion, promptIds, completionIds } = row
  const must = (rule: string, got: string, remedy: string) => new UserError(`reward: row ${i} must ${rule}, got ${got}; ${remedy}`)
  const { contextLength } = checkpoint.config
  const own = shared && completionIds ? (promptIds ?? ('ids' in prompt ? prompt.ids : undefined)) : undefined
  if (!own && 'ids' in prompt)
    throw must('have its prompt in text for a reward model of another vocabulary', `${prompt.ids.length} ids`, 'give prompts as text')
  const ids = own ? [...own, ...completionIds!] : written()
  if (ids.length <= contextLength) return ids
  throw must(
    `fit the reward model's context of ${contextLength} tokens`,
    `${ids.length}`,
    'sample shorter completions, or take a model with more',
  )

  function written(): number[] {
    if ('text' in prompt && completion === '')
      return [...beginningIds(checkpoint.tokenizer, prompt.text).ids, ...checkpoint.eosIds.slice(0, 1)]
    const made = tokenise(asRow(prompt as Exclude<RewardRow['prompt'], { ids: unknown }>, completion), i, checkpoint, {
      boundary: 'trim',
      template,
    })
    if ('reason' in made) throw must('be written in its tokens', made.detail, 'leave it out')
    const { example } = made
    return [...example.prompt, ...('completion' in example ? example.completion : [])]
  }
}

function asRow(prompt: Exclude<RewardRow['prompt'], { readonly ids: unknown }>, completion: string): PreferenceRow {
  if ('text' in prompt) return { form: 'labelledText', prompt: prompt.text, completion, label: true }
  const { messages, tools } = prompt
  const answer = [{ role: 'assistant' as const, content: completion }]
  return { form: 'labelledTalk', prompt: messages, completion: answer, label: true, ...(tools ? { tools } : {}) }
}
