import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { readJson, writeAtomic } from '../files/index.ts'
import { UserError } from '../graph/errors.ts'
import { plot } from '../runs/index.ts'
import type { Claim, SeedSet } from './claim.ts'
import { markdownOf } from './markdown.ts'
import { definitionOf, resultOf, resultSchema, rowsOf, tableFrom, wideCsv } from './result.ts'
import { type ClaimRun, sha256 } from './run-claim.ts'

/** `NAME.json` beside the data of a published claim: its data file, and the results on both sets of seeds. */
const publishedSchema = z.object({
  format: z.literal(1),
  data: z.object({ file: z.string(), sha256: z.string() }),
  first: resultSchema,
  second: resultSchema,
})
export type Published = Readonly<z.infer<typeof publishedSchema>>

/** Where the published results of this package are. */
export const publishedFolder = fileURLToPath(new URL('../../docs/evidence', import.meta.url))

/**
 * The published result of a claim; undefined where there is none.
 *
 * throws  UserError when the data are not those that the file names
 */
export async function readPublished(claim: Pick<Claim, 'name'>, folder = publishedFolder): Promise<Published | undefined> {
  const file = join(folder, `${claim.name}.json`)
  if (!existsSync(file)) return undefined
  const published = await readJson(file, publishedSchema, `publish ${claim.name} again`)
  const data = await readFile(join(folder, published.data.file), 'utf8')
  if (sha256(data) === published.data.sha256) return published
  throw new UserError(`${file}: data.sha256 must be that of ${published.data.file}, got another file; publish ${claim.name} again`)
}

/** Whether a published result is of the claim as it is now. */
export function isCurrent(claim: Claim, { first, second }: Published): boolean {
  const now = JSON.stringify(definitionOf(claim))
  return [first, second].every(({ definition }) => JSON.stringify(definition) === now)
}

/** What the rule says of the published data: the same as the published verdict, unless someone changed one of them. */
export async function decideAgain(claim: Claim, folder = publishedFolder) {
  const { first, second, data } = (await readPublished(claim, folder))!
  const rows = rowsOf(claim.name, await readFile(join(folder, data.file), 'utf8'))
  return [first, second].map(({ set, seeds, quick }) => {
    const table = tableFrom(claim, rows.filter(({ seed }) => seeds.includes(seed))) // biome-ignore format: one line
    return { table, result: resultOf(claim, table, { set, seeds, quick }) }
  })
}

/** Writes data, results and figure of a claim into `docs/evidence`. */
export async function publishClaim(claim: Claim, runs: Readonly<Record<SeedSet, ClaimRun>>, folder: string): Promise<void> {
  const file = `${claim.name}.csv`
  const data = wideCsv([...runs.first.rows, ...runs.second.rows])
  const published: Published = { format: 1, data: { file, sha256: sha256(data) }, first: runs.first.result, second: runs.second.result }
  await writeAtomic(join(folder, file), data)
  const [main] = claim.figures(runs.second.table)
  if (main) await writeAtomic(join(folder, `${claim.name}.svg`), plot(main.table, main.as, main.axes))
  await writeAtomic(join(folder, `${claim.name}.json`), `${JSON.stringify(published, null, 2)}\n`)
}

/** Writes `evidence.md` beside the folder of the published results, from those that are there. */
export async function writeEvidencePage(claims: readonly Claim[], docs: string): Promise<void> {
  const found = await Promise.all(claims.map(async (claim) => ({ claim, published: await readPublished(claim, join(docs, 'evidence')) })))
  const ready = found.flatMap(({ claim, published }) => (published ? [{ claim, first: published.first, second: published.second }] : []))
  await writeAtomic(join(docs, 'evidence.md'), markdownOf(ready, claims.length))
}
