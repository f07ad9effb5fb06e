import type { ReadBy, Sample } from '../goals/index.ts'
import { promptText, type RewardRow } from './reward.ts'

/** A completion that is to be scored as goals see it. */
export function rowSample(
  { prompt, completion: text, completionIds: ids }: RewardRow,
  { checkpoint: { tokenizer, eosIds } }: ReadBy,
): Sample {
  return {
    prompt: promptText(prompt, tokenizer),
    ...('messages' in prompt ? { messages: prompt.messages } : {}),
    text,
    tokens: (ids ?? tokenizer.encode(text)).length,
    ended: ids ? eosIds.includes(ids.at(-1)!) : true,
  }
}
