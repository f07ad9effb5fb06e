import { UserError } from '../graph/index.ts'
import type { Completion } from '../models/index.ts'
import { bestOfNBound, type Reward, type Scored } from '../rewards/index.ts'
import { integer, text } from './command.ts'
import type { Screen } from './screen.ts'

/** A reward that scores completions, and of how many the best is taken. */
export const bestOfFlags = {
  bestOf: integer('say only the best of so many completions by the reward', { min: 1, max: 4096 }),
  reward: text('folder of a reward model, which scores each completion', { shown: 'FOLDER' }),
}

/** How many completions are sampled for one that is said. */
export function drawsOf({ bestOf, reward }: { readonly bestOf: number | undefined; readonly reward: string | undefined }): number {
  if (bestOf !== undefined && reward === undefined)
    throw new UserError(
      `--best-of: needs a reward that says which completion is best, got none; name the folder of a reward model with --reward`,
    )
  return bestOf ?? 1
}

/** A completion with its score, and the scores of all it was chosen from, in the order they were sampled. */
export interface Chosen {
  readonly completion: Completion
  readonly scored: Scored
  readonly scores: readonly number[]
}

/** Scores completions and takes the best of each n; of equal ones the first. */
export async function bestOfEach(
  reward: Reward,
  n: number,
  prompts: readonly { readonly text: string; readonly ids: readonly number[] }[],
  groups: readonly (readonly Completion[])[],
  screen: Screen,
  signal: AbortSignal,
): Promise<Chosen[][]> {
  const chosen: Chosen[][] = []
  const bar = screen.progress('scoring', groups.flat().length)
  for (const [i, group] of groups.entries()) {
    const { text, ids: promptIds } = prompts[i]!
    const rows = group.map(({ text: completion = '', ids }) => ({ prompt: { text }, completion, promptIds, completionIds: ids }))
    const scored = await reward.score(rows, signal)
    bar.advance(group.length)
    chosen.push(Array.from({ length: group.length / n }, (_, k) => best(group.slice(k * n, (k + 1) * n), scored.slice(k * n, (k + 1) * n))))
  }
  bar.done()
  return chosen
}

function best(group: readonly Completion[], scored: readonly Scored[]): Chosen {
  const at = scored.reduce((most, { value }, i) => (value > scored[most]!.value ? i : most), 0)
  return { completion: group[at]!, scored: scored[at]!, scores: scored.map(({ value }) => value) }
}

/** What `--json` says of a choice. */
export function chosenRow({ scored: { value, sd }, scores }: Chosen) {
  return { reward: value, rewardSd: sd ?? null, bestOf: scores.length, klBound: bestOfNBound(scores.length), scores }
}

/** What a person reads of a choice. */
export function sayChosen({ scored: { value, sd }, scores }: Chosen): string {
  const mean = scores.reduce((sum, x) => sum + x, 0) / scores.length
  const own = `reward ${value.toFixed(2)}${sd === undefined ? '' : ` ± ${sd.toFixed(2)}`}`
  return scores.length === 1 ? own : `${own}, the best of ${scores.length}, whose mean is ${mean.toFixed(2)}`
}

/** How far the best of n is from the model, and that no training can say it better. */
export function sayBound(n: number): string {
  return `the best of ${n} is ${bestOfNBound(n).toFixed(3)} nats a completion from the model where no two scores are equal, log ${n} − ${n - 1}/${n}, and never further`
}
