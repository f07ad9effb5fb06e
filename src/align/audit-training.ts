import { type AuditRow, type DataStream, type Declaration, openTarget, staticRows, takeAudits, watchSteps } from '../audits/index.ts'
import type { Recipe } from '../recipe/recipe.ts'
import { type Alarm, type Audits, auditsSchema, type Estimate, type Run, roundFolder } from '../runs/index.ts'
import type { Around, Training } from '../train/index.ts'
import type { Watch } from './watch.ts'

/** How often steps are audited on the way, unless a recipe says so: on stories5m what is read then costs one step, so two hundredths. */
const usually = 50

/** How many steps the whole audit of a look takes from where the round's training came to. */
const atLook = 20

/** The file that a round's audits, or a training run's, are kept in. */
export const auditsFile = 'audits.json'

/** What a recipe declares to its audits, with what a method that it chooses is defined to hold constant. */
export function declarationsOf({ audit, train, objective }: Pick<Recipe, 'audit' | 'train' | 'objective'>): Declaration[] {
  const reason = 'DoRA holds the norm of each row constant (Liu et al. 2024, arXiv:2402.09353, section 4.3)'
  return [
    ...(audit?.declare ?? []),
    ...(train.lora?.dora ? [{ tensor: 'lora.*', as: 'stop', reason } as const] : []),
    ...(objective.marks ?? []).map((mark): Declaration => ({ tensor: '*', ...mark })),
  ]
}

/** The audits of a training as it goes: its graph before the first step, which is said at once, and steps on the way. */
export async function auditTraining(
  recipe: Recipe,
  training: Training,
  watch: Watch,
): Promise<{ readonly around: Around; found(): Promise<AuditRow[]> }> {
  const target = openTarget(training, { steps: 1, declarations: declarationsOf(recipe) })
  const inGraph = staticRows(target)
  for (const { alarm, why } of auditAlarms(inGraph)) watch.note?.(`ALARM ${alarm}: ${why}`)
  const { around, rows } = await watchSteps(target, recipe.audit?.every ?? usually, { seed: recipe.seed })
  const told = ({ finding }: AuditRow) => finding === 'found' || finding === 'declared'
  return { around, found: async () => [...inGraph, ...(await rows()).filter(told)] }
}

/** Keeps what a training's audits found, beside what an earlier part of it found. */
export async function keepAudits(run: Run, folder: string, rows: readonly AuditRow[]): Promise<void> {
  const file = `${folder}/${auditsFile}`
  const before = run.has(file) ? (await run.read(file, auditsSchema)).rows : []
  const known = new Set(rows.map(keyOf))
  const all = [...rows, ...before.filter((row) => !known.has(keyOf(row)))]
  if (all.length === 0) return
  const alarms = auditAlarms(all)
  await run.write(file, { rows: all, ...(alarms.length > 0 ? { alarms } : {}) } satisfies Audits)
}

function keyOf({ audit, tensor }: AuditRow): string {
  return `${audit} ${tensor}`
}

/** Takes the whole audit of a training from where its policy now is, and puts the policy back. */
async function wholeAudit(recipe: Recipe, training: Training, data: DataStream): Promise<Audits> {
  const opened = openTarget(training, { steps: atLook, declarations: declarationsOf(recipe), data })
  try {
    return await takeAudits(opened, { seed: recipe.seed, ...(training.signal ? { signal: training.signal } : {}) })
  } finally {
    await opened.close()
  }
}

/**
 * What audits say of a round that is looked at: what was found as it was trained, and where the recipe demands it the whole audit, as a measure too.
 * The look's folder keeps them.
 */
export async function auditsAtLook(
  run: Run,
  recipe: Recipe,
  { round, folder }: { readonly round: number; readonly folder: string },
  training: () => Promise<{ readonly training: Training; readonly data: DataStream }>,
): Promise<AuditsSeen> {
  const file = `${roundFolder(round)}/${auditsFile}`
  const before: Audits = run.has(file) ? await run.read(file, auditsSchema) : { rows: [] }
  let audits = before
  if (recipe.accept.audit) {
    const { training: of, data } = await training()
    const whole = await wholeAudit(recipe, of, data)
    // What was found on the way stands, whatever is seen where it came to.
    const found = new Map(before.rows.flatMap((row) => (row.finding === 'found' ? [[keyOf(row), row] as const] : [])))
    audits = { ...whole, rows: whole.rows.map((row) => (row.finding === 'found' ? row : (found.get(keyOf(row)) ?? row))) }
  }
  const alarms = auditAlarms(audits.rows)
  if (audits.rows.length > 0)
    await run.write(`${folder}/${auditsFile}`, { ...audits, ...(alarms.length > 0 ? { alarms } : {}) } satisfies Audits)
  return { alarms, measures: recipe.accept.audit ? { audit: auditMeasure(audits) } : {} }
}

/** What a look says of audits. */
export interface AuditsSeen {
  readonly alarms: readonly Alarm[]
  readonly measures: Readonly<Record<string, Estimate>>
}

/** Whether an audit is clean, as a measure: 1 where it is, 0 where something was found. units none; n counts trained tensors */
export function auditMeasure({ rows, verdict }: Audits): Estimate {
  const n = new Set(rows.map(({ tensor }) => tensor)).size
  if (verdict?.verdict === 'found' || rows.some(({ finding }) => finding === 'found')) return { estimate: 0, low: 0, high: 0, n, unit: '' }
  if (verdict?.verdict === 'clean') return { estimate: 1, low: 1, high: 1, n, unit: '' }
  return { ...{ estimate: 1, low: 0, high: 1, n, unit: '' }, cannotTell: `${verdict?.unmeasured ?? 'all'} could not be measured` }
}

/** An alarm for each audit that found something, with the tensors. */
export function auditAlarms(rows: readonly AuditRow[]): Alarm[] {
  const found = rows.filter(({ finding }) => finding === 'found')
  return [...new Set(found.map(({ audit }) => audit))].map((audit) => {
    const mine = found.filter((row) => row.audit === audit)
    const worst = mine.reduce((a, b) => ((b.statistic ?? 0) > (a.statistic ?? 0) ? b : a))
    const value = worst.statistic ?? 0
    const others = mine.length > 1 ? ` (and ${mine.length - 1} more)` : ''
    return {
      ...{ alarm: `audit.${audit}`, value, low: value, high: value, bound: worst.threshold },
      why: `${worst.tensor}${others}: ${worst.why}`,
      remedy: 'take it away, or declare it under audit.declare with its reason',
    }
  })
}
