import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Claim } from './claim.ts'
import { readPublished } from './publish.ts'
import { type Result, readResult } from './result.ts'

/**
 * The newest result of a claim in a folder of results; the published one, on the second set of seeds, where there is none.
 *
 * throws  UserError when the newest is of another version of the claim
 */
export async function lastResult(claim: Claim, to: string): Promise<{ readonly result: Result; readonly from: string } | undefined> {
  const mine = new RegExp(`^${claim.name}(-second)?(-quick)?(-\\d+-seeds)?$`)
  const folders = existsSync(to) ? readdirSync(to).filter((name) => mine.test(name)) : []
  const files = folders.map((name) => join(to, name, 'result.json')).filter((file) => existsSync(file))
  const [newest] = files.toSorted((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)
  const result = newest && (await readResult(claim, newest))
  if (result && newest) return { result, from: newest }
  const published = await readPublished(claim)
  return published && { result: published.second, from: 'published' }
}
