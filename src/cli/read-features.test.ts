import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fakeFolder, innate } from '../../test/fake-folder.ts'

let close: () => Promise<void>
beforeAll(async () => void (close = await fakeFolder()))
afterAll(() => close())

const fit = 'read fit --kind sae --model models/tiny --tap blocks.0.mlp.out'

describe('sparse autoencoders on the command line', () => {
  it('one is fitted beside its controls, and read without saying its tap again', async () => {
    const fitted = await innate(`${fit} --features 24 --k 2 --passes 1 --to sae --json --quiet`)
    expect({ code: fitted.code, err: fitted.err }).toEqual({ code: 0, err: '' })
    const interval = { estimate: expect.any(Number), low: expect.any(Number), high: expect.any(Number), n: 2 }
    const { controls, ...line } = JSON.parse(fitted.out)
    expect(line).toMatchObject({
      to: 'sae',
      kind: 'sae',
      tap: 'blocks.0.mlp.out',
      features: 24,
      k: 2,
      varianceExplained: interval,
      l0: interval,
    })
    expect(Object.keys(controls)).toEqual(['untrained', 'components', 'reinitialised'])
    expect(JSON.parse(await readFile('sae/cfg.json', 'utf8'))).toMatchObject({
      d_sae: 24,
      k: 2,
      metadata: { hook_name: 'blocks.0.hook_mlp_out' },
    })
    const { code, out } = await innate('read features --model models/tiny --sae sae --top 2 --feature 3,7 --report f.html --json')
    const lines = out.trimEnd().split('\n').map((one) => JSON.parse(one)) // biome-ignore format: one line
    expect(code).toBe(0)
    expect(lines.map(({ feature }) => feature)).toEqual([3, 7, undefined])
    for (const { frequency, top, max } of lines.slice(0, 2)) {
      expect(frequency.low).toBeLessThanOrEqual(frequency.estimate)
      expect(top.length).toBeLessThanOrEqual(2)
      if (max > 0)
        expect(top[0]).toMatchObject({ activation: max, text: expect.any(Number), position: expect.any(Number), token: expect.any(String) })
    }
    expect(lines[2]).toMatchObject({ tap: 'blocks.0.mlp.out', texts: 20, dead: expect.any(Number) })
    expect(await readFile('f.html', 'utf8')).toContain('Features')
  })

  it.each([
    ['no tap', 'read fit --kind sae --model models/tiny --to bad', 'read fit --tap: must be given for an sae'],
    ['no such tap', `${fit}s --to bad`, 'did you mean blocks.0.mlp.out?'],
    [
      'a tap of heads',
      'read fit --kind sae --model models/tiny --tap blocks.0.attn.z --to bad',
      'must be one tap with one vector for each token',
    ],
    ['k beyond the features', `${fit} --features 8 --k 9 --to bad`, 'k must be 1 to 8, got 9'],
    [
      'flags of an sae for a lens',
      'read fit --kind tuned --model models/tiny --k 4 --to bad',
      'read fit --k: must be left out of a tuned lens',
    ],
    ['no folder', 'read features --model models/tiny --sae nowhere --report bad', 'nowhere/cfg.json'],
    ['no such feature', 'read features --model models/tiny --sae sae --feature 24 --report bad', 'must be numbers from 0 to 23'],
    ['another tap', 'read features --model models/tiny --sae sae --tap blocks.0.mlp.act --report bad', 'is it of another model or tap?'],
  ])('%s: one error, and nothing is written', async (_, line, message) => {
    const { code, err } = await innate(line)
    expect(code).toBe(2)
    expect(err).toContain(message)
    expect(existsSync('bad')).toBe(false)
  })
})
