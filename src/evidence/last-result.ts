import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Claim } from './claim.ts'
import { readPublished } from './publish.ts'
import { type Result, readResult } from './result.ts'

/** Folders of runs with few seeds and without the slowest arms. */
const quick = /-quick(-|$)/

/**
 * The newest result of a claim in a folder of results, a whole run before a quick one; the published one, on the second set of seeds, before a
 * quick one and where there is none.
 *
 * throws  UserError when the newest is of another version of the claim
 */
export async function lastResult(claim: Claim, to: string): Promise<{ readonly result: Result; readonly from: string } | undefined> {
  const mine = new RegExp(`^${claim.name}(-second)?(-quick)?(-\\d+-seeds)?$`)
  const folders = existsSync(to) ? readdirSync(to).filter((name) => mine.test(name)) : []
  const files = folders.map((name) => join(to, name, 'result.json')).filter((file) => existsSync(file))
  const newestFirst = files.toSorted((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)
  const isQuick = (file: string) => quick.test(basename(dirname(file)))
  const whole = newestFirst.find((file) => !isQuick(file))
  const published = whole ? undefined : await readPublished(claim)
  if (published) return { result: published.second, from: 'published' }
  const newest = whole ?? newestFirst[0]
  const result = newest && (await readResult(claim, newest))
  return result ? { result, from: newest } : undefined
}
