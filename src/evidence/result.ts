import { existsSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { readJson } from '../files/index.ts'
import { UserError } from '../graph/errors.ts'
import { type Table, tableOf } from '../runs/index.ts'
import { behaviour, type Claim, controlArms, decideClaim, verdicts } from './claim.ts'

const controlSchema = z.object({ arm: z.string(), must: z.string(), met: z.boolean(), said: z.string() })

/** What a result is a result of: everything of a claim that is data. */
const definitionSchema = z.object({
  claim: z.string(),
  source: z.string(),
  method: z.string(),
  arms: z.array(z.string()).readonly(),
  controls: z.array(z.object({ arm: z.string(), must: z.string() })).readonly(),
  metric: z.string(),
  rule: z.string(),
  n: z.number(),
  changes: z.array(z.string()).readonly(),
})

/** `result.json`: the verdict on one set of seeds, what it is a verdict on, and what happened in the controls. */
export const resultSchema = z.object({
  format: z.literal(1),
  name: z.string(),
  set: z.enum(['first', 'second']),
  seeds: z.array(z.number()).readonly(),
  quick: z.boolean(),
  definition: definitionSchema,
  verdict: z.enum(verdicts),
  estimate: z.number(),
  low: z.number(),
  high: z.number(),
  n: z.int().min(1),
  why: z.string(),
  controls: z.array(controlSchema).readonly(),
})
export type Result = Readonly<z.infer<typeof resultSchema>>

/** The data of a claim, as its results quote it. */
export function definitionOf(claim: Claim): Result['definition'] {
  const { claim: said, source, method, arms, controls, metric, rule, n, changes } = claim
  return { claim: said, source, method, arms: [...arms], controls: controls.map(({ arm, must }) => ({ arm, must })), metric, rule, n, changes: [...changes] } // biome-ignore format: one line
}

/** The result that a table of numbers comes to. */
export function resultOf(claim: Claim, table: Table, how: Pick<Result, 'set' | 'seeds' | 'quick'>): Result {
  const { verdict, estimate, low, high, n, why } = decideClaim(claim, table)
  const decided = { verdict, estimate, low, high, n, why }
  return { format: 1, name: claim.name, ...how, definition: definitionOf(claim), ...decided, controls: behaviour(claim, table) }
}

/**
 * Reads `result.json` of a folder; undefined where there is none.
 *
 * throws  UserError when it is of another version of the claim, or not a result
 */
export async function readResult(claim: Claim, file: string): Promise<Result | undefined> {
  if (!existsSync(file)) return undefined
  const remedy = `remove it, and run innate evidence ${claim.name} again`
  const result = await readJson(file, resultSchema, remedy)
  const mine = { name: claim.name, ...definitionOf(claim) }
  const theirs: Record<string, unknown> = { name: result.name, ...result.definition }
  const changed = Object.entries(mine).flatMap(([key, value]) => (isDeepStrictEqual(value, theirs[key]) ? [] : [key]))
  if (changed.length === 0) return result
  throw new UserError(`${file}: a result must be of this version of the claim, got another ${changed.join(', ')}; ${remedy}`)
}

/** One row of data, as `--json` prints it. */
export interface DataRow {
  readonly claim: string
  readonly arm: string
  readonly seed: number
  readonly metric: string
  readonly value: number
}

/** A table as rows, one a seed: the arms in their order, then the controls. */
export function dataRows(claim: string, { rows }: Table, seeds: readonly number[]): DataRow[] {
  return rows.flatMap(({ name: metric, group, values = [] }) =>
    values.map((value, i) => ({ claim, arm: String(group.arm), seed: seeds[i]!, metric, value })),
  )
}

/** Rows as CSV with a head, one number a line. */
export function csvOf(rows: readonly DataRow[]): string {
  const lines = rows.map(({ claim, arm, seed, metric, value }) => line([claim, arm, seed, metric, value]))
  return `${['claim,arm,seed,metric,value', ...lines].join('\n')}\n`
}

/** Rows as a CSV of one line an arm and measure, with a column for each seed: a fifth of the size. */
export function wideCsv(rows: readonly DataRow[]): string {
  const seeds = [...new Set(rows.map(({ seed }) => seed))].toSorted((a, b) => a - b)
  const lines = new Map<string, { arm: string; metric: string; bySeed: Map<number, number> }>()
  for (const { arm, metric, seed, value } of rows) {
    const key = JSON.stringify([arm, metric])
    const found = lines.get(key) ?? { arm, metric, bySeed: new Map<number, number>() }
    lines.set(key, found)
    found.bySeed.set(seed, value)
  }
  const body = [...lines.values()].map(({ arm, metric, bySeed }) => line([arm, metric, ...seeds.map((seed) => bySeed.get(seed) ?? '')]))
  return `${[line(['arm', 'metric', ...seeds]), ...body].join('\n')}\n`
}

/** The rows that `wideCsv` wrote. */
export function rowsOf(claim: string, csv: string): DataRow[] {
  const [head, ...body] = csv.trimEnd().split('\n').map(fieldsOf)
  const seeds = head!.slice(2).map(Number)
  return body.flatMap(([arm, metric, ...values]) =>
    values.flatMap((value, i) => (value === '' ? [] : [{ claim, arm: arm!, seed: seeds[i]!, metric: metric!, value: Number(value) }])),
  )
}

function line(fields: readonly (string | number)[]): string {
  return fields.map((x) => (/[",\n]/.test(String(x)) ? `"${String(x).replaceAll('"', '""')}"` : String(x))).join(',')
}

function fieldsOf(text: string): string[] {
  return [...text.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare!)
}

/** The table that rows came from. */
export function tableFrom(claim: Claim, rows: readonly DataRow[]): Table {
  const seeds = [...new Set(rows.map(({ seed }) => seed))].toSorted((a, b) => a - b)
  const arms = [...new Set(rows.map(({ arm }) => arm))]
  const controls = controlArms(claim)
  const trials = arms.flatMap((arm) =>
    seeds.map((seed) => ({
      arm,
      seed,
      trial: 0,
      numbers: Object.fromEntries(rows.filter((row) => row.arm === arm && row.seed === seed).map(({ metric, value }) => [metric, value])),
    })),
  )
  const plain = arms.filter((arm) => !controls.includes(arm))
  return tableOf({ name: claim.name, arms: plain, controls: arms.filter((arm) => controls.includes(arm)), seeds }, trials)
}
