import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fakeFolder, innate } from '../../test/fake-folder.ts'

let close: () => Promise<void>
beforeAll(async () => void (close = await fakeFolder()))
afterAll(() => close())

const contrast = "--model models/tiny --clean 'the fox liked' --corrupted 'the bird liked' --answer ' to' --wrong ' the' --quiet"

async function rowsOf(words: string): Promise<Record<string, unknown>[]> {
  const { code, out, err } = await innate(`${words} ${contrast} --json`)
  expect({ code, err }).toEqual({ code: 0, err: '' })
  return out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

describe('read circuit --json', () => {
  it('a line for 1, 2, 4 … edges up to all of them, beside random ones of as many', async () => {
    const rows = await rowsOf('read circuit --k 1000 --report circuit.html')
    const { of } = rows[0] as { of: number }
    expect(rows.map(({ edges }) => edges)).toEqual([1, 2, 4, 8, 16, 32, of])
    for (const { of: all, random } of rows.slice(0, -1) as { of: number; random: Record<string, number> }[]) {
      expect(all).toBe(of)
      expect(random).toEqual({ estimate: expect.any(Number), low: expect.any(Number), high: expect.any(Number), n: 39 })
      expect(random.low).toBeLessThanOrEqual(random.estimate!)
      expect(random.high).toBeGreaterThanOrEqual(random.estimate!)
    }
    expect(rows.at(-1)).toEqual({ edges: of, of, faithfulness: expect.closeTo(1, 4) })
    const page = await readFile('circuit.html', 'utf8')
    expect(page).toContain('What the strongest edges keep')
    expect(page).not.toMatch(/>[-−]0(\.0+)?</)
  })

  it('the seed draws the random edges, and people never see a zero with a sign', async () => {
    const seeds = await Promise.all([0, 1].map(async (seed) => JSON.stringify(await rowsOf(`read circuit --k 4 --seed ${seed}`))))
    expect(seeds[1]).not.toBe(seeds[0])
    expect((await innate(`read circuit --k 4 ${contrast}`)).out).not.toMatch(/-0\.0+\b(?!\d)/)
  })
})

describe('read path --json', () => {
  it('a line for every sender and every receiver after it', async () => {
    const rows = await rowsOf("read path --from 'embed,mlp *' --to 'mlp 1,logits,head 1.0 q' --report path.html")
    expect(rows.map(({ from, to }) => `${from} > ${to}`)).toEqual([
      'embed > head 1.0 q',
      'mlp 0 > head 1.0 q',
      'embed > mlp 1',
      'mlp 0 > mlp 1',
      'embed > logits',
      'mlp 0 > logits',
      'mlp 1 > logits',
    ])
    for (const row of rows) expect(Object.keys(row)).toEqual(['from', 'to', 'effect'])
    expect(await readFile('path.html', 'utf8')).toContain('Senders and receivers')
  })

  it('all senders at once are the clean run', async () => {
    expect(await rowsOf('read path --together')).toEqual([{ from: '*', to: 'logits', effect: expect.closeTo(1, 5) }])
    expect(await rowsOf('read path --together --direction noise')).toEqual([{ from: '*', to: 'logits', effect: expect.closeTo(0, 5) }])
  })

  it.each([
    ["--from 'head 9.*'", 'from: must name parts of the model, got "head 9.*"; senders are embed, head 0.0'],
    ["--to 'mlp 7'", 'to: must name parts of the model, got "mlp 7"; receivers are logits'],
    ["--from 'mlp 1' --to 'mlp 0'", 'to: a receiver must come after a sender, got mlp 0 with no sender before it'],
    ["--to 'logits,mlp 1' --together", 'to: logits must stand alone when all receivers are patched at once'],
  ])('%s is refused', async (flags, message) => {
    const { code, out, err } = await innate(`read path ${flags} ${contrast}`)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain(message)
  })
})
