import { readFile, writeFile } from 'node:fs/promises'
import { PassThrough } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { alignJson, fakeFolder, innate, innateJson, writeRows } from '../../test/fake-folder.ts'
import { openStore } from '../labels/index.ts'
import { labelOnTerminal } from './label-on-terminal.ts'
import { questionLines } from './question-lines.ts'
import { createScreen } from './screen.ts'

let close: () => Promise<void>
beforeAll(async () => {
  close = await fakeFolder()
  await writeRows('few.jsonl', 6, (i) => ({ prompt: `Once ${i}`, chosen: ` good ${i}`, rejected: ` bad ${i}` }))
})
afterAll(() => close())

/** A terminal of so many columns on which these keys are pressed, each once the question before was drawn. */
function terminal(keys: readonly string[], columns = 80) {
  let drawn = ''
  let next = 0
  const source = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => {} })
  const write = (text: string) => {
    drawn += text
    if ((text.includes('\x1b[2J') || text.endsWith('note: ')) && next < keys.length) {
      const key = keys[next++]!
      setImmediate(() => source.write(key))
    }
    return true
  }
  const screen = createScreen({
    out: { write, isTTY: true, columns, rows: 24 },
    err: { write },
    source,
    env: { TERM: 'xterm', NO_COLOR: '1' },
  })
  return { screen, drawn: () => drawn }
}
const [left, right] = ['\x1b[D', '\x1b[C']

describe('labelling on a terminal', () => {
  it('keeps one label a key, with how sure and a note, takes one back, and goes on where it was left', async () => {
    await innate('label few.jsonl')
    const store = openStore('few.labels.db')
    const { signal } = new AbortController()
    const first = terminal(['2', 'c', 'so kind\r', left, right, 'u', 't', 'n', 'q'])
    expect(await labelOnTerminal(store, { rater: 'ann', seed: 0 }, first.screen, signal)).toBe('left')
    const labels = await store.labels()
    expect(labels.map(({ choice }) => choice)).toEqual([labels[0]!.first, 'tie', 'none'])
    expect(labels[0]).toMatchObject({ confidence: 2, note: 'so kind' })
    expect(first.drawn()).toContain('ann · 6 of 6 left')
    const second = terminal(['s', 'xa', 'b'])
    expect(await labelOnTerminal(store, { rater: 'ann', seed: 0 }, second.screen, signal)).toBe('done')
    const [, , , skip, one, other] = await store.labels()
    expect(skip!.choice).toBe('skip')
    expect(one!.choice).toBe(one!.first)
    expect(other!.choice).not.toBe(other!.first)
    const third = terminal(['\x03'])
    expect(await labelOnTerminal(store, { rater: 'bob', seed: 0 }, third.screen, signal)).toBe('interrupted')
    await store.close()
  })

  it.each([40, 80, 120])('never writes over the edge of %i columns, and lets no text command the terminal', (width) => {
    const colour = createScreen({ out: { write() {} } }).colour
    const pair = {
      id: 1,
      prompt: `${'word '.repeat(30)}\x1b[2J`,
      a: 'x'.repeat(200),
      b: [{ role: 'assistant', content: '日本語 '.repeat(40) }],
      source: '',
    }
    const lines = questionLines({ pair, first: 'a', rater: 'ann', left: 3, of: 9, confidence: 1, note: 'n', said: '' }, { width, colour })
    expect(
      Math.max(...lines.map((line) => Array.from(line).reduce((n, c) => n + (/\p{Script=Han}/u.test(c) ? 2 : 1), 0))),
    ).toBeLessThanOrEqual(width)
    expect(lines.join('')).not.toContain('\x1b')
    expect(lines.join('\n')).toContain('how sure')
  })
})

describe('innate label', () => {
  it('says with --json, and away from a terminal, how far it is, and asks nothing', async () => {
    await writeRows('ten.jsonl', 10, (i) => ({ prompt: `p${i}`, a: `a${i}`, b: `bb${i}` }))
    const { code, rows } = await innateJson('label ten.jsonl --store l.db')
    expect([code, rows]).toEqual([0, [{ store: 'l.db', pairs: 10, labelled: 0, raters: {}, judges: [], agreement: [] }]])
    expect((await innate('label l.db')).out).toBe('l.db: 0 of 10 pairs have a label.\n')
  })

  it('reads labels in, says how raters agree, and writes TRL’s columns', async () => {
    await writeRows('sure.jsonl', 30, (i) => ({ prompt: `p${i}`, chosen: `good ${i}`, rejected: `bad, and long ${i}` }))
    await writeRows('other.jsonl', 30, (i) => ({ prompt: `p${i}`, rejected: `good ${i}`, chosen: `bad, and long ${i}` }))
    await innate('label sure.jsonl --store two.db --import sure.jsonl --rater ann')
    const { rows } = await innateJson('label two.db --import other.jsonl --rater bob')
    expect(rows[0]).toMatchObject({
      labelled: 30,
      imported: { pairs: 30, labels: 30, rater: 'bob' },
      agreement: [{ between: ['ann', 'bob'], pairs: 30, share: { estimate: 0, n: 30 } }],
      judges: [
        { who: 'ann', counts: { side: 30, skip: 0 }, longer: { estimate: 0 } },
        { who: 'bob', longer: { estimate: 1 } },
      ],
    })
    expect((await innateJson('label two.db --export out.jsonl')).rows[0]).toMatchObject({ exported: { rows: 0, open: 0, ties: 30 } })
    await innate('label two.db --import sure.jsonl --rater eve')
    await innate('label two.db --export out.jsonl')
    const out = (await readFile('out.jsonl', 'utf8')).trim().split('\n')
    expect(JSON.parse(out[3]!)).toEqual({ prompt: 'p3', chosen: 'good 3', rejected: 'bad, and long 3', votes: [2, 1] })
    expect(await innateJson('pairs check out.jsonl --model models/tiny')).toMatchObject({ rows: [{ usable: 30 }] })
  })

  it.each([
    ['label nowhere.db', /nowhere\.db: a store of labels must be there, got no such file/],
    ['label nowhere.jsonl', /nowhere\.jsonl: must be a store, a file of pairs or a recipe, got no such file/],
    ['label align.json', /align\.json: a recipe to label for must have people as its judge, got byGoals/],
    ['label text.db', /text\.db: must be a store of labels, got a file that SQLite cannot read/],
    [
      'label prompts.jsonl',
      /prompts\.jsonl:1: chosen and rejected, or completion: missing beside prompt; give prompt, chosen and rejected/,
    ],
    ['label l.db --rater=', /--rater: needs a value/],
  ])('%s: one clear answer', async (line, message) => {
    await writeFile('text.db', 'no database '.repeat(1000))
    expect(await innate(line)).toMatchObject({ code: 2, out: '', err: expect.stringMatching(message) })
  })
})

describe('a recipe whose judge is people', () => {
  it('stops with what it needs labelled, and goes on to a verdict once it is there', async () => {
    const recipe = { ...alignJson, preferences: { ...alignJson.preferences, judge: { people: 'people.db' } }, accept: { winRate: { atLeast: 0.01 } }, run: 'runs/p' } // biome-ignore format: one line
    await writeFile('people.json', JSON.stringify(recipe))
    const asked: number[] = []
    for (let line = 'align people.json', code = 5; code === 5; line = 'align people.json --run runs/p --resume') {
      const answer = await innateJson<{ waiting?: { store: string; missing: number; asked: number; label: string; resume: string } }>(line)
      code = answer.code
      const { waiting } = answer.rows.at(-1)!
      if (!waiting) {
        expect(code).toBeOneOf([0, 3, 4])
        expect(answer.rows.at(-1)).toMatchObject({ place: { first: { n: 4 } }, judged: { judges: [{ who: 'ann' }] } })
        continue
      }
      expect(waiting).toMatchObject({
        missing: waiting.asked,
        label: 'innate label people.db',
        resume: expect.stringContaining('--resume'),
      })
      expect(await innate(line === 'align people.json' ? 'label people.json' : 'label people.db')).toMatchObject({ code: 0 })
      asked.push(waiting.missing)
      const store = openStore(waiting.store)
      for (let next = await store.next('ann', 0); next; next = await store.next('ann', 0))
        await store.label([
          { pair: next.pair.id, rater: 'ann', choice: next.pair.a.length > next.pair.b.length ? 'a' : 'b', first: next.first },
        ])
      await store.close()
    }
    expect(asked.slice(0, 2)).toEqual([8, 4])
  }, 240_000)
})
