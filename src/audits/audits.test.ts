import { afterAll, describe, expect, it } from 'vitest'
import { openEngine } from '../engine/index.ts'
import { constant, input, step, stopGradient, straightThrough } from '../graph/index.ts'
import {
  type AuditRow,
  audits,
  auditVerdict,
  type Case,
  lookAlikes,
  openCase,
  plants,
  smallModel,
  smallPairs,
  takeAudits,
} from './index.ts'
import { scan } from './scan.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())
const [model, examples] = [smallModel(0), smallPairs(0, 24)]

/** Every audit of a case, and the channels that found something. */
async function taken(one: Case, { undeclared = false, steps = 3 } = {}) {
  const target = await openCase(engine, one, { model, examples, seed: 0, steps, batch: 2, undeclared })
  try {
    const { rows, verdict } = await takeAudits(target, { seed: 0 })
    const fired = [...new Set(rows.flatMap(({ channel, finding }) => (finding === 'found' ? [channel] : [])))]
    return { rows, verdict, fired, tensors: target.tensors.map(({ name }) => name) }
  } finally {
    await target.close()
  }
}

const found = (rows: readonly AuditRow[]) =>
  rows.filter(({ finding }) => finding === 'found').map(({ audit, tensor, why }) => `${audit} ${tensor}: ${why}`)

describe('the table of audits', () => {
  it.each(audits.map((audit) => [audit.name, audit] as const))(
    '%s says what it finds, what it cannot see and where it is from',
    (name, audit) => {
      expect(name).toMatch(/^[a-z]+$/)
      for (const said of [audit.about, audit.blind]) expect(said).toMatch(/^[^A-Z][^\n]*[^.]$/)
      expect(audit.source.length).toBeGreaterThan(10)
      expect(audit.watch ?? audit.measure).toBeDefined()
    },
  )

  it('names are unique, among audits and among cases', () => {
    for (const names of [audits, [...plants, ...lookAlikes]].map((all: readonly { name: string }[]) => all.map(({ name }) => name)))
      expect(new Set(names).size).toBe(names.length)
  })
})

describe('planted gradient hackers are found, in their channel and where they are', () => {
  it.each(plants.map((plant) => [plant.name, plant] as const))('%s', async (_, plant) => {
    const { fired, rows, tensors } = await taken(plant)
    expect(fired).toEqual(expect.arrayContaining([...plant.fires]))
    expect(fired.filter((channel) => ![...plant.fires, ...(plant.may ?? [])].includes(channel))).toEqual([])
    // Each audit has a row for each tensor, and no other.
    for (const { name } of audits) expect(rows.filter(({ audit }) => audit === name).map(({ tensor }) => tensor)).toEqual(tensors)
  })
})

describe('benign look-alikes are clean or declared, and alarm without their declaration', () => {
  it.each(lookAlikes.map((one) => [one.name, one] as const))('%s', async (_, one) => {
    const { rows, verdict } = await taken(one)
    expect(found(rows)).toEqual([])
    if (one.recipe(model.config).declare === undefined) return expect(verdict.declared).toBe(0)
    expect(verdict.declared).toBeGreaterThan(0)
    const without = await taken(one, { undeclared: true })
    expect(without.verdict.verdict).toBe('found')
  })
})

describe('the verdict', () => {
  const row = (channel: 1 | 2, finding: AuditRow['finding']): AuditRow => ({
    ...{ channel, audit: 'a', tensor: 't', statistic: 0, null: null, threshold: 1, finding, why: '' },
  })
  it('is clean only where every channel was measured on every tensor', () => {
    expect(auditVerdict([row(1, 'clean'), row(2, 'declared')], ['t'], [1, 2])).toEqual({
      verdict: 'clean',
      found: 0,
      declared: 1,
      unmeasured: 0,
      channels: [1, 2],
    })
    expect(auditVerdict([row(1, 'clean')], ['t'], [1, 2])).toEqual({
      verdict: 'cannot tell',
      found: 0,
      declared: 0,
      unmeasured: 1,
      channels: [1],
    })
    expect(auditVerdict([row(1, 'clean'), row(2, 'cannot tell')], ['t'], [1, 2]).verdict).toBe('cannot tell')
    expect(auditVerdict([row(1, 'found'), row(2, 'cannot tell')], ['t'], [1, 2])).toMatchObject({
      verdict: 'found',
      found: 1,
      unmeasured: 1,
    })
  })
})

describe('the static scan', () => {
  const [w, v] = [input('w', []), input('v', [])]
  it('V-QUAD-1: L = (w + stop(v))²: v is read and not reached, w is both', () => {
    const y = w.add(stopGradient(v))
    const scanned = scan(y.mul(y), { w, v })
    expect(scanned.get('w')).toEqual({ read: true, reached: true, marks: [] })
    expect(scanned.get('v')).toMatchObject({ read: true, reached: false, marks: [{ op: 'stopGradient' }] })
  })
  it('V-QUAD-1: L = (round(w) − t)², straight through: w is reached through a mark', () => {
    const y = straightThrough(w, step(w)).sub(2)
    // The rounding is what the straight-through stands for, so it is no place of its own.
    expect(scan(y.mul(y), { w }).get('w')).toMatchObject({ read: true, reached: true, marks: [{ op: 'straightThrough' }] })
  })
  it('what the loss does not read is not read', () => {
    expect(scan(w.mul(constant(2)), { w, v }).get('v')).toEqual({ read: false, reached: false, marks: [] })
  })
})
