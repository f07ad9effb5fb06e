import { z } from 'zod'
import { readJsonObjects } from '../files/index.ts'
import { UserError } from '../graph/errors.ts'
import type { Tree } from '../policy/rows.ts'

/** Completions of one prompt that were sampled together, with their rewards, and what the model that sampled them gave to each token. */
export interface Rollout {
  readonly tree: Tree
  readonly rewards: readonly number[]
  /** Nats; absent where it was not kept. */
  readonly sampled?: readonly (readonly number[])[]
}

const ids = z.array(z.int().nonnegative())
const rowSchema = z.object({
  prompt_ids: ids.min(1),
  completion_ids: ids.min(1),
  reward: z.number(),
  logps: z.array(z.number().max(1e-3)).optional(),
})
type Row = z.infer<typeof rowSchema> & { readonly line: number }

/**
 * Reads kept rollouts: rows of one prompt that come one after the other, so many of them a group. A row that cannot be read ends the reading, since
 * leaving it out would change what all others of its group are held against.
 *
 * throws  UserError with the line, and where no group has two rewards that differ
 */
export async function loadRollouts(
  file: string,
  { group, vocabSize, contextLength }: { readonly group: number; readonly vocabSize: number; readonly contextLength: number },
): Promise<Rollout[]> {
  const groups: Row[][] = []
  for await (const { line, value } of readJsonObjects(file)) {
    const parsed = rowSchema.safeParse(value)
    if (!parsed.success) throw wrong(file, line, said(parsed.error, value))
    const row = { ...parsed.data, line }
    checkRow(file, row, vocabSize, contextLength)
    const last = groups.at(-1)
    if (last && last.length < group && sameIds(last[0]!.prompt_ids, row.prompt_ids)) last.push(row)
    else groups.push([row])
  }
  const short = groups.find((rows) => rows.length !== group)
  if (groups.length === 0) throw new UserError(`${file}: must have rollouts, got no row; write prompt_ids, completion_ids and reward`)
  if (short) throw shortGroup(file, short, groups, group)
  if (groups.every((rows) => rows.every(({ reward }) => reward === rows[0]!.reward)))
    throw new UserError(
      `${file}: rewards must differ within a group, got ${groups.length} whose rewards are all alike, which move nothing; give a reward that tells completions of one prompt apart`,
    )
  return groups.map((rows) => ({
    tree: { prompt: rows[0]!.prompt_ids, completions: rows.map(({ completion_ids }) => completion_ids) },
    rewards: rows.map(({ reward }) => reward),
    ...(rows.every(({ logps }) => logps) ? { sampled: rows.map(({ logps }) => logps!) } : {}),
  }))
}

function checkRow(file: string, { line, prompt_ids, completion_ids, logps }: Row, vocabSize: number, contextLength: number): void {
  const strange = [...prompt_ids, ...completion_ids].find((id) => id >= vocabSize)
  if (strange !== undefined) throw wrong(file, line, `ids must be below the vocabulary's ${vocabSize}, got ${strange}`)
  const length = prompt_ids.length + completion_ids.length
  if (length > contextLength + 1) throw wrong(file, line, `must be at most ${contextLength + 1} tokens long, got ${length}`)
  if (logps && logps.length !== completion_ids.length)
    throw wrong(file, line, `logps: must have one number for each of ${completion_ids.length} tokens, got ${logps.length}`)
}

function shortGroup(file: string, short: readonly Row[], groups: readonly (readonly Row[])[], group: number): UserError {
  const sizes = new Set(groups.map(({ length }) => length))
  const [size] = sizes
  const remedy = sizes.size === 1 && size! > 1 ? `say "group": ${size} in the objective` : 'write as many for each, one after the other'
  return new UserError(
    `${file}:${short[0]!.line}: a prompt must have a group of ${group} completions, got ${short.length} rows of it; ${remedy}`,
  )
}

function said(error: z.ZodError, value: Readonly<Record<string, unknown>>): string {
  const [{ path, message }] = error.issues as [z.core.$ZodIssue]
  const name = path.join('.')
  if (path.length === 1 && !(name in value)) return `${name} must be there, got none`
  return `${name}: ${message.replace('Invalid input: ', 'must be ').replace(', received', ', got')}`
}

function wrong(file: string, line: number, detail: string): UserError {
  return new UserError(`${file}:${line}: ${detail}; mend the row: without it the others of its group would have another advantage`)
}

function sameIds(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i])
}
