import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fakeFolder, innate, innateJson } from '../../test/fake-folder.ts'

let close: () => Promise<void>
beforeAll(async () => {
  close = await fakeFolder()
})
afterAll(() => close())

const number = expect.any(Number)

describe('innate evidence', () => {
  it('prints a row for each arm, seed and metric, then the verdict; the same with any number of workers', async () => {
    const { code, rows } = await innateJson('evidence bits --seeds 4 --json --workers 1')
    expect(code).toBe(0)
    const data = rows.slice(0, -1)
    for (const row of data)
      expect(row).toEqual({ claim: 'bits', arm: expect.any(String), seed: number, metric: expect.any(String), value: number })
    expect(rows.at(-1)).toEqual({ claim: 'bits', verdict: expect.any(String), estimate: number, low: number, high: number, n: 4, why: expect.any(String) }) // biome-ignore format: one line
    const again = await innateJson('evidence bits --seeds 4 --json --workers 2 --to other')
    expect(again.rows).toEqual(rows)
    const second = await innateJson<{ seed: number }>('evidence bits --seeds 3 --second --workers 1')
    expect(new Set(second.rows.map(({ seed }) => seed))).toEqual(new Set([10_000, 10_001, 10_002, undefined]))
    const csv = (await readFile('evidence/bits-4-seeds/data.csv', 'utf8')).trimEnd().split('\n')
    expect(csv.length).toBe(data.length + 1)
    expect(await readFile('evidence/bits-4-seeds/paragraph.md', 'utf8')).toContain('Verdict:')
    expect(await readFile('evidence/bits-4-seeds/figure.svg', 'utf8')).toContain('</svg>')
  })

  it('goes on after a kill, and does no finished seed again', async () => {
    const whole = await innateJson('evidence bits --seeds 4')
    const trials = await readFile('evidence/bits-4-seeds/trials.jsonl', 'utf8')
    const half = trials.split('\n').slice(0, 7).map((line) => `${line}\n`) // biome-ignore format: one line
    await writeFile('evidence/bits-4-seeds/trials.jsonl', `${half.join('')}{"arm":"raw ge`)
    expect((await innateJson('evidence bits --seeds 4 --workers 1')).rows).toEqual(whole.rows)
    expect(await readFile('evidence/bits-4-seeds/trials.jsonl', 'utf8')).toBe(trials)
  })

  it('refuses a result of another version, an unknown claim and no seeds', async () => {
    const file = 'other/bits-4-seeds/result.json'
    const result = JSON.parse(await readFile(file, 'utf8'))
    await writeFile(file, JSON.stringify({ ...result, definition: { ...result.definition, rule: 'Always supports.' } }))
    expect(await innate('evidence bits --seeds 4 --to other')).toMatchObject({
      code: 2,
      err: expect.stringContaining('a result must be of this version of the claim, got another rule'),
    })
    expect((await innate('evidence --to other')).out).toMatch(/got another\s+rule/)
    const torn = JSON.parse(await readFile('evidence/bits-4-seeds/experiment.json', 'utf8'))
    await writeFile('evidence/bits-4-seeds/experiment.json', JSON.stringify({ ...torn, code: 'another' }))
    expect(await innate('evidence bits --seeds 4')).toMatchObject({ code: 2, err: expect.stringContaining('got another code') })
    expect(await innate('evidence bitz')).toMatchObject({ code: 2, err: expect.stringMatching(/must be one of .*nearest are bits/) })
    expect(await innate('evidence bits --seeds 0')).toMatchObject({ code: 2, err: expect.stringContaining('at least 3') })
  })

  it('lists the claims with their last verdicts, published ones before quick ones', async () => {
    expect((await innate('evidence bits --quick --to quickly')).code).toBe(0)
    const { rows } = await innateJson<{ claim: string; verdict: string; from: string }>('evidence --to quickly')
    expect(rows.find(({ claim }) => claim === 'bits')).toMatchObject({ verdict: expect.any(String), from: 'published' })
  })
})
