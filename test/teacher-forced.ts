import type { Completion } from '../src/models/index.ts'
import { type Policy, scoreTrees } from '../src/policy/index.ts'
import { expectClose } from './close.ts'
import { tolerances } from './tolerances.ts'

/** Every completion's log-probabilities against those of its tokens, each read as a completion of all that stands before it. */
export async function expectTeacherForced(of: Policy, given: readonly number[][], said: readonly Completion[][], relative = false) {
  const all = said.flatMap((completions, i) => completions.map((completion) => ({ prompt: given[i]!, ...completion })))
  const trees = all.flatMap(({ prompt, ids }) => ids.map((id, t) => ({ prompt: [...prompt, ...ids.slice(0, t)], completions: [[id]] })))
  const want = await scoreTrees(of, trees)
  const got = all.flatMap(({ logps }) => logps)
  if (relative)
    expectClose(
      got.map((x, i) => x / want[i]!),
      want.map(() => 1),
      tolerances.packed,
    )
  else expectClose(got, want, tolerances.teacherForced)
}

/** Log-probability of every token after a prompt. */
export function distribution(policy: Policy, prompt: readonly number[]): Promise<number[]> {
  return scoreTrees(policy, [{ prompt, completions: Array.from({ length: policy.config.vocabSize }, (_, id) => [id]) }])
}
