import { existsSync } from 'node:fs'
import { appendFile, mkdir, stat, truncate } from 'node:fs/promises'
import { dirname } from 'node:path'
import { onDisk, readJsonObjects } from '../files/index.ts'
import { checkScored, MiscountedRewards, promptText, type Reward, type RewardRow, type Scored } from './reward.ts'

/**
 * A reward whose scores are kept in a file that grows line by line: no completion of a prompt is scored twice, also after a run was killed.
 *
 * throws  UserError as the reward; for a line of the file that is no score; and where scores are not one for each completion
 */
export function keptReward(reward: Reward, file: string): Reward {
  let known: Map<string, Scored> | undefined
  return {
    name: reward.name,
    close: () => reward.close(),
    async score(rows, signal) {
      known ??= await readKept(file)
      const kept = known
      const unknown = [...new Map(rows.map((row) => [keyOf(row), row])).values()].filter((row) => !kept.has(keyOf(row)))
      if (unknown.length > 0) await ask(reward, unknown, kept, file, signal)
      return rows.map((row) => kept.get(keyOf(row))!)
    },
  }
}

async function ask(
  reward: Reward,
  rows: readonly RewardRow[],
  kept: Map<string, Scored>,
  file: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const size = existsSync(file) ? (await stat(file)).size : 0
  const told = new Set<number>()
  const keep = async (i: number, scored: Scored) => {
    const row = rows[i]!
    const { value, sd } = checkScored(`reward ${reward.name}, completion ${i + 1}`, scored)
    told.add(i)
    kept.set(keyOf(row), scored)
    await append(
      file,
      `${JSON.stringify({ prompt: promptText(row.prompt), completion: row.completion, reward: value, ...(sd === undefined ? {} : { sd }) })}\n`,
    )
  }
  try {
    const all = await reward.score(rows, signal, keep)
    if (all.length !== rows.length) throw new MiscountedRewards(reward.name, rows.length, `${all.length}`)
    for (const [i, scored] of all.entries()) if (!told.has(i)) await keep(i, scored)
  } catch (error) {
    if (error instanceof MiscountedRewards && existsSync(file)) {
      await truncate(file, size)
      for (const i of told) kept.delete(keyOf(rows[i]!))
    }
    throw error
  }
}

async function readKept(file: string): Promise<Map<string, Scored>> {
  const kept = new Map<string, Scored>()
  if (!existsSync(file)) return kept
  let whole = 0
  for await (const { line, value, raw } of readJsonObjects(file, { torn: 'leave out' })) {
    const { prompt, completion, reward, sd } = value
    kept.set(JSON.stringify([prompt, completion]), checkScored(`${file}:${line}`, { value: reward, ...(sd === undefined ? {} : { sd }) }))
    whole += Buffer.byteLength(raw) + 1
  }
  // A line torn by a kill would run into the next one.
  if ((await stat(file)).size > whole) await truncate(file, whole)
  return kept
}

function keyOf({ prompt, completion }: RewardRow): string {
  return JSON.stringify([promptText(prompt), completion])
}

function append(file: string, text: string): Promise<void> {
  return onDisk(file, text.length, async () => {
    await mkdir(dirname(file), { recursive: true })
    await appendFile(file, text)
  })
}
