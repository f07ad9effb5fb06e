import { z } from 'zod'
import { ratioOf } from '../accept/index.ts'
import { dataFile } from '../checkpoints/index.ts'
import { hashFile } from '../files/index.ts'
import { UserError } from '../graph/index.ts'
import type { Example } from '../objectives/index.ts'
import { type Policy, scoreTrees, type Tree } from '../policy/index.ts'
import { loadTexts, readAs, splitByPrompt, type Text } from '../preferences/index.ts'
import type { FromTexts, Recipe } from '../recipe/recipe.ts'
import { estimateSchema } from '../runs/index.ts'
import { loadChatTemplate } from '../text/index.ts'
import { trainWork } from './estimate.ts'
import { heeding, type Models } from './open-models.ts'
import type { TrainingSource } from './train-run.ts'
import { shownPrompts } from './train-samples.ts'
import type { Watch } from './watch.ts'

/** Texts that were not trained on, before and after: nats of their tokens over ln 2 over their UTF-8 bytes. */
export const heldOutTextsSchema = z.object({ texts: z.int(), bytes: z.int(), before: estimateSchema, bitsPerByte: estimateSchema })
export type HeldOutTexts = Readonly<z.infer<typeof heldOutTextsSchema>>

/**
 * Puts a recipe's file of texts into tokens.
 *
 * throws  UserError when none is usable, or none is left to train on
 */
export async function openTexts(from: FromTexts, recipe: Recipe, models: Models, watch: Watch): Promise<TrainingSource> {
  const { boundary, heldOut, measureEvery, columns, maxLength = Number.POSITIVE_INFINITY } = from
  const { checkpoint, lookPolicy, referencePolicy } = models
  const file = await dataFile(from.file, (line) => watch.note?.(line))
  const most = Math.min(maxLength, checkpoint.config.contextLength, recipe.train.tokenBudget)
  const { rows, texts, dialects, quarantined, counts } = await loadTexts(file, checkpoint, {
    boundary,
    columns,
    maxLength: most,
    template: await loadChatTemplate(checkpoint.folder),
  })
  const reasons = Object.entries(counts).map(([reason, n]) => `${n} ${reason}`)
  const aside = reasons.length > 0 ? `; ${quarantined.length} set aside (${reasons.join(', ')})` : ''
  watch.note?.(`${file}: ${texts.length} usable texts of ${rows}, read as ${readAs(dialects)}${aside}`)
  const { train, kept } = splitByPrompt(texts, ({ prompt }) => prompt, { train: 1 - heldOut, kept: heldOut }, recipe.seed)
  if (train.length === 0)
    throw new UserError(`texts.heldOut: must leave texts to train on, got ${heldOut} of ${texts.length} rows; lower it`)
  if (heldOut > 0 && kept.length < 2) watch.note?.(`bits per byte need at least 2 texts, got ${kept.length} held out; raise texts.heldOut`)
  const examples = train.flatMap(({ trees }) => trees).map((tree): Example => ({ tree, reference: [], label: 1 }))
  const measured = kept.length >= 2
  return {
    quarantined,
    inside: (kept.length > 1 ? kept : train).map(wholeOf),
    shown: shownPrompts(kept.map(beginning), train.map(beginning), models),
    data: { role: 'texts', path: file, sha256: await hashFile(file), rows, used: texts.length, quarantined: { ...counts } },
    work: async (steps) => ({
      ...trainWork(
        recipe.train,
        examples.map(({ tree }) => tree),
        steps,
      ),
      scored: { positions: 0, wanted: 0 },
    }),
    examples: async () => ({ examples }),
    ...(measured
      ? {
          async measure({ step, steps }) {
            if (step % measureEvery !== 0 && step !== steps) return {}
            return { bitsPerByte: bitsPerByte(await textNats(lookPolicy, kept)) }
          },
        }
      : {}),
    async heldOut() {
      if (!measured) return undefined
      const [before, after] = [await textNats(referencePolicy, kept, heeding(models)), await textNats(lookPolicy, kept, heeding(models))]
      const estimate = (costs: readonly Cost[]) =>
        ratioOf(
          'bitsPerByte',
          costs.map(({ nats }) => nats / Math.LN2),
          costs.map(({ bytes }) => bytes),
          'bits',
        )
      return {
        texts: kept.length,
        bytes: kept.reduce((sum, { bytes }) => sum + bytes, 0),
        before: estimate(before),
        bitsPerByte: estimate(after),
      }
    },
  }
}

/** The first tree of a text as it is read, without its last token. */
function wholeOf({ trees: [first] }: Text): readonly number[] {
  return [...first!.prompt, ...first!.completions[0]!.slice(0, -1)]
}

/** What a text is asked to go on from: its prompt, or its first tokens where it has none. */
function beginning({ trees: [first] }: Text): readonly number[] {
  const { prompt, completions } = first!
  return prompt.length >= 4 ? prompt : [...prompt, ...completions[0]!.slice(0, 12)]
}

interface Cost {
  readonly nats: number
  readonly bytes: number
}

/** Nats of each text's tokens; ends, which stand for no byte, are left out. */
export async function textNats(policy: Policy, texts: readonly Text[], onBatch?: () => void): Promise<Cost[]> {
  const scored = texts.flatMap(({ trees, ended }, text) =>
    trees.map((tree, i) => ({ text, tree: ended[i] ? endless(tree) : tree })).filter(({ tree }) => tree.completions[0]!.length > 0),
  )
  const scores = await scoreTrees(
    policy,
    scored.map(({ tree }) => tree),
    {},
    onBatch,
  )
  const costs = texts.map(({ bytes }) => ({ nats: 0, bytes }))
  for (const [i, { text }] of scored.entries()) costs[text]!.nats -= scores[i]!
  return costs
}

function endless({ prompt, completions }: Tree): Tree {
  return { prompt, completions: completions.map((completion) => completion.slice(0, -1)) }
}

/** units bits per UTF-8 byte: compression, so that tokenizers can be compared. source Gao et al. 2020, arXiv:2101.00027, section 3.1 */
function bitsPerByte(costs: readonly Cost[]): number {
  const total = costs.reduce((sum, { nats, bytes }) => ({ nats: sum.nats + nats, bytes: sum.bytes + bytes }))
  return total.nats / Math.LN2 / total.bytes
}
