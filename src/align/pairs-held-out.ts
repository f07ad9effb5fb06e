import { heldOutPairs, meanOf, powerOf, sayPower } from '../accept/index.ts'
import { UserError } from '../graph/index.ts'
import { type Policy, scoreTrees } from '../policy/index.ts'
import { type Labelled, labelledTree, type Pair, pairTree, splitByPrompt } from '../preferences/index.ts'
import { checkUnanimous } from '../recipe/bounds.ts'
import type { FromFile, Recipe } from '../recipe/recipe.ts'
import { type Estimate, type Evaluation, edges, type Run } from '../runs/index.ts'
import { byPrompt } from './held-out.ts'
import { heeding, type Models } from './open-models.ts'
import type { Watch } from './watch.ts'

/** Rows of a file of preferences that nothing is trained on, in the parts of the looks. */
export type PairsHeldOut = Readonly<Record<Evaluation['look'], readonly (Pair | Labelled)[]>>

/** What a look found on them, with intervals of any risk on each side. */
export type PairsSeen = (risk?: number) => Readonly<Record<string, Estimate>>

/**
 * Deals held-out rows into the looks by prompt, in the proportion of `look.development` and `look.sealed`, whatever these are.
 *
 * throws  UserError when a look has fewer than two prompts, when the rows do not give what a bound names, or no result on so many can meet it
 */
export function dealHeldOut(
  from: FromFile,
  rows: readonly (Pair | Labelled)[],
  promptOf: (row: Pair | Labelled) => string,
  { look, accept, seed }: Pick<Recipe, 'look' | 'accept' | 'seed'>,
): PairsHeldOut {
  const part = (prompts: number) => (from.heldOut * prompts) / (look.development + look.sealed)
  const shares = { train: 1 - from.heldOut, development: part(look.development), sealed: part(look.sealed) }
  const { development, sealed } = splitByPrompt(rows, promptOf, shares, seed)
  const held = { development, sealed }
  const sizes = { ...look, development: promptsOf(development), sealed: promptsOf(sealed) }
  const fewest = Math.min(sizes.development, sizes.sealed)
  if (fewest < 2)
    throw new UserError(
      `preferences.heldOut: must leave rows with a preference on 2 prompts or more to each look, got ${sizes.development} and ${sizes.sealed} of ${from.pairs}; raise it, or add rows`,
    )
  const labelled = rows.some((row) => 'label' in row)
  const [given, others] = labelled ? [ofLabels, ofPairs] : [ofPairs, ofLabels]
  for (const name of others)
    if (Object.hasOwn(accept, name))
      throw new UserError(
        `accept.${name}: must be measured on ${labelled ? 'pairs' : 'labelled completions'}, got ${from.pairs}, which has ${labelled ? 'labelled completions' : 'pairs'}; bound ${given.join(' or ')}`,
      )
  for (const name of ['preferenceAccuracy', 'labelAccuracy']) {
    const unanimous = (prompts: number, _: number, yes: boolean) =>
      meanOf(name, Array.from({ length: prompts }, () => [yes ? 1 : 0]), 'share', [0, 1]) // biome-ignore format: one line
    if (accept[name]) checkUnanimous(`accept.${name}`, accept[name], { unanimous }, { look: sizes })
  }
  return held
}

/** What held-out pairs and labelled completions give. */
const ofPairs = ['preferenceAccuracy', 'displacement'] as const
const ofLabels = ['labelAccuracy'] as const

/** How far a policy is from the reference on the rows of a look. */
export async function measurePairs(policy: Policy, held: PairsHeldOut, which: Evaluation['look'], models: Models): Promise<PairsSeen> {
  const rows = held[which].filter(prefers)
  const trees = rows.map((row) => ('chosen' in row ? pairTree(row) : labelledTree(row)))
  const [mine, theirs] = [await scoreTrees(policy, trees, {}, heeding(models)), await models.reference.logps(trees, heeding(models))]
  const ratios = mine.map((logp, i) => logp - theirs[i]!)
  const prompts = byPrompt(rows)
  if (rows.some((row) => 'label' in row)) {
    const right = prompts.map((group) => group.map((i) => (1 + ((rows[i] as Labelled).label ? 1 : -1) * Math.sign(ratios[i]!)) / 2))
    return (risk) => ({ labelAccuracy: meanOf('labelAccuracy', right, 'share', [0, 1], risk) })
  }
  const pairs = prompts.map((group) =>
    group.map((i) => ({ logRatios: [ratios[2 * i]!, ratios[2 * i + 1]!] as const, votes: (rows[i] as Pair).votes })),
  )
  return (risk) => heldOutPairs(pairs, risk)
}

/** Keeps which rows are looked at, counting from 0, and says what they can tell. */
export async function keepPairsParts(run: Run, held: PairsHeldOut, { accept }: Pick<Recipe, 'accept'>, watch: Watch): Promise<void> {
  const looks = [promptsOf(held.development), promptsOf(held.sealed)]
  for (const [name, said] of [
    ['preferenceAccuracy', 'preference accuracy'],
    ['labelAccuracy', 'label accuracy'],
  ] as const) {
    const from = accept[name] && edges(accept[name])[0]
    if (from !== undefined && from > 0) watch.note?.(sayPower(said, looks, powerOf(from, looks)))
  }
  const rows = (part: PairsHeldOut['sealed']) => part.map(({ row }) => row)
  await run.write('held-out-parts.json', { development: rows(held.development), sealed: rows(held.sealed) })
}

/** Whether a row prefers something: a gap or a tie of votes does not. */
function prefers(row: Pair | Labelled): boolean {
  return 'label' in row || (!row.gap && row.votes[0] !== row.votes[1])
}

function promptsOf(rows: readonly (Pair | Labelled)[]): number {
  return byPrompt(rows.filter(prefers)).length
}
