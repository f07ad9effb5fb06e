import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fakeFolder, innate } from '../../test/fake-folder.ts'
import { loadProbes } from '../goals/index.ts'

let close: () => Promise<void>
beforeAll(async () => void (close = await fakeFolder()))
afterAll(() => close())

describe('read probe --json', () => {
  it('one line for every tap that the pattern names, of three labels too', async () => {
    const labels = ['fox', 'bird', 'sun']
    const rows = Array.from({ length: 36 }, (_, i) => ({ text: `${i} and ${i + 7}: a ${labels[i % 3]}`, label: labels[i % 3] }))
    await writeFile('three.jsonl', rows.map((row) => JSON.stringify(row)).join('\n'))
    const { code, out, err } = await innate(
      'read probe --model models/tiny --rows three.jsonl --tap blocks.*.out --to probes.json --report probes.html --json --quiet',
    )
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const lines = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines.map(({ layer }) => layer)).toEqual([0, 1])
    for (const { accuracy, control, selectivity, selectivityInterval, chance } of lines) {
      expect(accuracy).toEqual({ estimate: 1, low: expect.any(Number), high: 1, n: 12, unit: 'share' })
      expect(control.low).toBeLessThanOrEqual(control.estimate)
      expect(selectivity).toBeCloseTo(accuracy.estimate - control.estimate, 12)
      expect(selectivityInterval.low).toBeLessThanOrEqual(selectivity)
      expect(chance).toBeCloseTo(1 / 3, 12)
    }
    expect(await loadProbes('probes.json')).toMatchObject({ kind: 'logistic', pool: 'last', labels: ['bird', 'fox', 'sun'] })
    expect(await readFile('probes.html', 'utf8')).toContain('Probes for bird, fox, sun')
    expect((await innate('read probe --model models/tiny --rows three.jsonl --tap final --json')).out).toContain('"layer":null')
  })

  it.each([
    ['one class alone', '--rows one.jsonl', 'one.jsonl: must have rows of at least two labels, got 4 rows of a alone'],
    ['a class with one text', '--rows lonely.jsonl', 'label b: must have texts to fit on and others to hold out, got 1 texts'],
    ['no such file', '--rows nowhere.jsonl', 'nowhere.jsonl'],
    ['no such tap', '--rows rows.jsonl --tap blocks.*.outs', 'did you mean blocks.*.out?'],
    [
      'a tap of pairs of tokens',
      '--rows rows.jsonl --tap blocks.0.attn.pattern',
      'tap blocks.0.attn.pattern: must hold one vector for each token',
    ],
    ['no such kind', '--kind svm', 'must be one of logistic, ridge, mass-mean, k-sparse'],
  ])('%s: one error, and nothing is written', async (_, flags, message) => {
    const row = (i: number, label: string) => JSON.stringify({ text: `one two three ${i} ${label}`, label })
    await writeFile('one.jsonl', [0, 1, 2, 3].map((i) => row(i, 'a')).join('\n'))
    await writeFile('lonely.jsonl', [...[0, 1, 2, 3].map((i) => row(i, 'a')), row(9, 'b')].join('\n'))
    const { code, out, err } = await innate(`read probe --model models/tiny --to none.json --report none.html ${flags}`)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain(message)
    expect([existsSync('none.json'), existsSync('none.html')]).toEqual([false, false])
  })
})
