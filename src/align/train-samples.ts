import type { Prompt } from '../collect/prompts.ts'
import { type SampledText, sampleTexts } from '../collect/sample-texts.ts'
import { seedFor } from '../random/index.ts'
import type { SampleRow } from '../runs/index.ts'
import { STREAMED_FROM, sizesOf } from './memory-needs.ts'
import type { Models } from './open-models.ts'
import type { Watch } from './watch.ts'

/** The first prompts of a training file, as its report shows them before and after. */
export interface ShownPrompts {
  readonly slice: NonNullable<SampleRow['slice']>
  readonly prompts: readonly Prompt[]
}

/** How many prompts a report of a training run may show, and how long their completions are. */
const [most, longest] = [8, 96]

/** The first prompts of the rows that are held out, or else of those trained on; each prompt once. */
export function shownPrompts(
  heldOut: readonly (readonly number[])[],
  trained: readonly (readonly number[])[],
  { checkpoint }: Pick<Models, 'checkpoint'>,
): ShownPrompts {
  const slice = heldOut.length > 0 ? 'held out' : 'trained on'
  const once = new Map((slice === 'held out' ? heldOut : trained).map((ids) => [ids.join(' '), ids]))
  const short = [...once.values()].filter((ids) => ids.length > 0 && ids.length < checkpoint.config.contextLength)
  return { slice, prompts: short.slice(0, most).map((ids) => ({ ids, text: checkpoint.tokenizer.decode(ids) })) }
}

/** Each prompt completed by the model as it was and as it is, at temperature 1 with the same random numbers. */
export async function trainSamples(
  { checkpoint, referencePolicy, lookPolicy }: Models,
  { slice, prompts }: ShownPrompts,
  seed: number,
  { watch = {}, signal }: { watch?: Watch; signal?: AbortSignal },
): Promise<SampleRow[]> {
  if (prompts.length === 0) return []
  if (referencePolicy.streamed && sizesOf(checkpoint.config).all * 4 >= STREAMED_FROM) {
    watch.note?.(
      'the report shows no samples: weights that are brought in block by block are read anew for every token; innate sample writes some',
    )
    return []
  }
  const bar = watch.progress?.('samples for the report', 2 * prompts.length)
  const onCompletion = () => {
    signal?.throwIfAborted()
    bar?.advance()
  }
  const sampling = { seed: seedFor(seed, 'samples of the report'), maxTokens: longest, onCompletion }
  const before = await sampleTexts(referencePolicy, checkpoint, prompts, sampling)
  const after = await sampleTexts(lookPolicy, checkpoint, prompts, sampling)
  bar?.done()
  return prompts.map(({ text: prompt }, i) => ({ prompt, slice, reference: told(before[i]![0]!), policy: told(after[i]![0]!) }))
}

function told({ sample: { text, tokens, ended } }: SampledText): SampleRow['policy'] {
  return { text, tokens, ended }
}
