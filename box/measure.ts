import type { Checkpoint } from 'innate/checkpoints'
import { type Policy, sampleCompletions, scoreTrees, textTree } from 'innate/policy'
import { asStory, type Story, type Text } from './material.ts'

export interface Measured {
  /** Of held-out stories by stories15m, each model with its own vocabulary. */
  readonly bitsPerByte: Figures & { readonly texts: number }
  /** Samples from the 80 likeliest tokens, at most 256 of them, at temperature 1. */
  readonly samples: number
  readonly ended: Figures
  /** What stories15m says of the samples, nats per token of its own vocabulary. */
  readonly nllUnderStories15m: Figures
  readonly first: readonly Text[]
  /** Bits per byte of stories5m on `first`: a test measures it again on the weights that are here. */
  readonly firstBitsPerByte: number
}

/** Samples that share the reading of their beginning. */
const SIDE = 16

export interface Figures {
  readonly stories5m: number
  /** Before it was sharpened. */
  readonly before: number
  readonly stories15m: number
}

interface Speaker {
  readonly checkpoint: Pick<Checkpoint, 'config' | 'tokenizer' | 'eosIds'>
  readonly policy: Policy
}

/** Measures what the card says, on held-out stories and on samples of all models drawn alike. */
export async function measure(
  { stories5m, before, stories15m }: Readonly<Record<keyof Figures, Speaker>>,
  heldOut: readonly Text[],
  samples = 512,
): Promise<Measured> {
  const told = {
    stories5m: await tell(stories5m, samples),
    before: await tell(before, samples),
    stories15m: await tell(stories15m, samples),
  }
  const first = told.stories5m.slice(0, 10)
  const nll = async (texts: readonly Text[]) => {
    const stories = texts.map((text) => storyOf(text, stories15m))
    const logps = await scoreTrees(
      stories15m.policy,
      stories.map(({ ids }) => textTree(ids)),
    )
    return -logps.reduce((a, b) => a + b, 0) / stories.reduce((n, { ids }) => n + ids.length - 1, 0)
  }
  const share = (texts: readonly Text[]) => texts.filter(({ ended }) => ended).length / texts.length
  const bits = (speaker: Speaker) =>
    bitsPerByte(
      speaker.policy,
      heldOut.map((text) => storyOf(text, speaker)),
    )
  return {
    bitsPerByte: {
      stories5m: await bits(stories5m),
      before: await bits(before),
      stories15m: await bits(stories15m),
      texts: heldOut.length,
    },
    samples,
    ended: { stories5m: share(told.stories5m), before: share(told.before), stories15m: share(told.stories15m) },
    nllUnderStories15m: { stories5m: await nll(told.stories5m), before: await nll(told.before), stories15m: await nll(told.stories15m) },
    first,
    firstBitsPerByte: await bitsPerByte(
      stories5m.policy,
      first.map((text) => storyOf(text, stories5m)),
    ),
  }
}

function storyOf(text: Text, { checkpoint }: Speaker) {
  return asStory(text, checkpoint.tokenizer, checkpoint)
}

/** Stories from nothing but the token that begins one, in their order. */
async function tell({ checkpoint, policy }: Speaker, count: number): Promise<Text[]> {
  const { tokenizer, eosIds } = checkpoint
  const start = tokenizer.encode('').slice(0, 1)
  const groups = await sampleCompletions(policy, new Array(count / SIDE).fill(start), {
    perPrompt: SIDE,
    topK: 80,
    seed: 7,
    eosIds,
  })
  await policy.rest()
  return groups.flat().map(({ ids, ended }) => ({ text: tokenizer.decode([...start, ...ids]), ended }))
}

/** What a text costs to write down with this model, over all texts: Σ −log p / ln 2 / bytes. */
export async function bitsPerByte(policy: Policy, stories: readonly Story[]): Promise<number> {
  const logps = await scoreTrees(
    policy,
    stories.map(({ ids }) => textTree(ids)),
  )
  const bytes = stories.reduce((n, story) => n + story.bytes, 0)
  return -logps.reduce((a, b) => a + b, 0) / Math.LN2 / bytes
}
