import { type Checkpoint, type Policy, sampleCompletions, scoreTrees, textTree } from 'innate/models'
import { asStory, type Text } from './material.ts'
import { bitsPerByte } from './train.ts'

export interface Measured {
  /** Of held-out stories by stories15m, each model with its own vocabulary. */
  readonly bitsPerByte: { readonly stories5m: number; readonly stories15m: number; readonly texts: number }
  /** Samples from the 80 likeliest tokens, at most 256 of them: of both models at temperature 1, and of stories5m as its generation_config says. */
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
  readonly stories5mCool: number
  readonly stories15m: number
}

interface Speaker {
  readonly checkpoint: Pick<Checkpoint, 'config' | 'tokenizer' | 'eosIds'>
  readonly policy: Policy
}

/** Measures what the card says, on held-out stories and on samples of both models drawn alike. */
export async function measure(small: Speaker, teacher: Speaker, heldOut: readonly Text[], cool: number, samples = 512): Promise<Measured> {
  const told = {
    stories5m: await tell(small, samples),
    stories5mCool: await tell(small, samples, cool),
    stories15m: await tell(teacher, samples),
  }
  const first = told.stories5mCool.slice(0, 10)
  const nll = async (texts: readonly Text[]) => {
    const stories = texts.map((text) => storyOf(text, teacher))
    const logps = await scoreTrees(
      teacher.policy,
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
    bitsPerByte: { stories5m: await bits(small), stories15m: await bits(teacher), texts: heldOut.length },
    samples,
    ended: { stories5m: share(told.stories5m), stories5mCool: share(told.stories5mCool), stories15m: share(told.stories15m) },
    nllUnderStories15m: {
      stories5m: await nll(told.stories5m),
      stories5mCool: await nll(told.stories5mCool),
      stories15m: await nll(told.stories15m),
    },
    first,
    firstBitsPerByte: await bitsPerByte(
      small.policy,
      first.map((text) => storyOf(text, small)),
    ),
  }
}

function storyOf(text: Text, { checkpoint }: Speaker) {
  return asStory(text, checkpoint.tokenizer, checkpoint)
}

/** Stories from nothing but the token that begins one, in their order. */
async function tell({ checkpoint, policy }: Speaker, count: number, temperature = 1): Promise<Text[]> {
  const { tokenizer, eosIds } = checkpoint
  const start = tokenizer.encode('').slice(0, 1)
  const groups = await sampleCompletions(policy, new Array(count / SIDE).fill(start), {
    perPrompt: SIDE,
    topK: 80,
    temperature,
    seed: 7,
    eosIds,
  })
  await policy.rest()
  return groups.flat().map(({ ids, ended }) => ({ text: tokenizer.decode([...start, ...ids]), ended }))
}
