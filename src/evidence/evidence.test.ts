import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { controlArms, decideClaim } from './claim.ts'
import { claims } from './claims.ts'
import { markdownOf } from './markdown.ts'
import { decideAgain, isCurrent, publishedFolder, readPublished } from './publish.ts'
import { type DataRow, dataRows, rowsOf, tableFrom, wideCsv } from './result.ts'

const published = claims.filter(({ name }) => existsSync(join(publishedFolder, `${name}.json`)))

describe.each(claims.map((claim) => [claim.name, claim] as const))('the claim %s', (name, claim) => {
  it('says what it is before it is run, and where it comes from', () => {
    expect(name).toMatch(/^[a-z]+(-[a-z]+)*$/)
    expect(claim.claim).toMatch(/^[A-Z][^\n]*\.$/)
    expect(claim.source).toMatch(/\b(1[89]|20)\d\d\b|@ [0-9a-f]{7}/)
    for (const said of [claim.method, claim.metric, claim.rule]) expect(said.length).toBeGreaterThan(20)
    expect(claim.controls.length).toBeGreaterThan(0)
    expect(claim.n).toBeGreaterThanOrEqual(5)
    expect(claim.quick.seeds).toBeGreaterThanOrEqual(3)
  })

  it('has arms that are not controls, and what is left out is an arm', () => {
    const all = [...claim.arms, ...controlArms(claim)]
    expect(new Set(all).size).toBe(all.length)
    expect((claim.quick.without ?? []).filter((arm) => !all.includes(arm))).toEqual([])
  })
})

describe.each(published.map((claim) => [claim.name, claim] as const))('the published verdict on %s', (_, claim) => {
  it('is of the claim as it stands, on both sets of seeds, whole', async () => {
    const found = (await readPublished(claim))!
    expect(isCurrent(claim, found)).toBe(true)
    for (const { seeds, quick } of [found.first, found.second]) expect([seeds.length, quick]).toEqual([claim.n, false])
    expect(found.first.seeds.filter((seed) => found.second.seeds.includes(seed))).toEqual([])
  })

  it('is what the rule says of the published data', async () => {
    const found = (await readPublished(claim))!
    const again = await decideAgain(claim)
    expect(again.map(({ result }) => result)).toEqual([found.first, found.second])
  })

  it('is cannot tell where a control does not behave', async () => {
    const { table } = (await decideAgain(claim))[0]!
    const broken = {
      ...claim,
      controls: claim.controls.map((control) => ({ ...control, behaves: () => ({ met: false, said: 'it did not' }) })),
    }
    expect(decideClaim(broken, table)).toMatchObject({ verdict: 'cannot tell', why: expect.stringContaining('a control did not behave') })
  })
})

describe('docs/evidence.md', () => {
  it('is written from the published results', async () => {
    const told = await Promise.all(published.map(async (claim) => ({ claim, ...(await readPublished(claim))! })))
    expect(readFileSync(join(publishedFolder, '..', 'evidence.md'), 'utf8')).toBe(markdownOf(told, claims.length))
  })
})

describe('data', () => {
  const word = fc.string({ unit: fc.constantFrom('a', '"', ',', ' ', '√', '=') }).filter((text) => text !== '')

  it('come back from CSV as they were', () => {
    const row = fc.record({
      arm: word,
      metric: word,
      seed: fc.nat(),
      value: fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => x + 0),
    })
    const distinct = fc.uniqueArray(row, { minLength: 1, selector: ({ arm, metric, seed }) => JSON.stringify([arm, metric, seed]) })
    fc.assert(
      fc.property(distinct, (found) => {
        const rows: DataRow[] = found.map((one) => ({ claim: 'a', ...one }))
        const sorted = (some: readonly DataRow[]) => some.map((one) => JSON.stringify(Object.entries(one).toSorted())).toSorted()
        expect(sorted(rowsOf('a', wideCsv(rows)))).toEqual(sorted(rows))
      }),
    )
  })

  it('become the table that they came from', async () => {
    const [claim] = published
    const [first] = await decideAgain(claim!)
    const seeds = (await readPublished(claim!))!.first.seeds
    expect(tableFrom(claim!, dataRows(claim!.name, first!.table, seeds))).toEqual(first!.table)
  })
})
