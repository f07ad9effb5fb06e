import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import fc from 'fast-check'
import sqlite from 'node-sqlite3-wasm'
import { afterAll, describe, expect, it } from 'vitest'
import { UserError } from '../graph/errors.ts'
import { type NewPair, openStore, readPairFile, type Store, trlRows } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'innate-labels-'))
const stores: Store[] = []
afterAll(async () => {
  for (const store of stores) await store.close()
  rmSync(folder, { recursive: true })
})
let names = 0
const fresh = () => join(folder, `${names++}.db`)
const opened = (file = fresh()) => {
  const store = openStore(file)
  stores.push(store)
  return store
}
const some = (n: number): NewPair[] => Array.from({ length: n }, (_, i) => ({ prompt: `p${i}`, a: `a${i}`, b: `b${i}`, source: 'test' }))

describe('a store of labels', () => {
  it('asks what nobody has labelled first, then what tells most, and nothing twice', async () => {
    const store = opened()
    await store.add(some(4).map((pair, i) => ({ ...pair, priority: [1, 3, 2, 0][i]! })))
    const order: number[] = []
    for (let asked = await store.next('ann', 0); asked; asked = await store.next('ann', 0)) {
      order.push(asked.pair.id)
      await store.label([{ pair: asked.pair.id, rater: 'ann', choice: order.length === 2 ? 'skip' : 'a', first: asked.first }])
      if (order.length === 2) expect((await store.next('bob', 0))!.pair.id).toBe(3) // a skip is no label: what ann skipped is as new as the third
    }
    expect(order).toEqual([2, 3, 1, 4])
    expect(await store.counts()).toEqual({ pairs: 4, labelled: 3, raters: { ann: { labels: 3, skipped: 1, left: 0 } } })
  })

  it('is the same for a pair whichever side is called a, and takes a label back', async () => {
    const store = opened()
    const [pair] = some(1) as [NewPair]
    expect(await store.add([pair, { ...pair, a: pair.b, b: pair.a }])).toEqual([1, 1])
    await store.label([{ pair: 1, rater: 'ann', choice: 'tie', confidence: 2, note: 'alike' }])
    await store.label([{ pair: 1, rater: 'ann', choice: 'b' }])
    expect(await store.labels()).toMatchObject([{ choice: 'b' }])
    expect(await store.undo('ann')).toMatchObject({ pair: 1, choice: 'b' })
    expect([await store.labels(), await store.undo('ann')]).toEqual([[], undefined])
  })

  it('law: places are drawn by seed, rater and pair alone, and near half of them either way', async () => {
    const store = opened()
    await store.add(some(100))
    const firsts: string[] = []
    for (let asked = await store.next('ann', 7); asked; asked = await store.next('ann', 7)) {
      expect((await store.next('ann', 7))!.first).toBe(asked.first)
      firsts.push(asked.first)
      await store.label([{ pair: asked.pair.id, rater: 'ann', choice: 'a' }])
    }
    const a = firsts.filter((first) => first === 'a').length
    expect(Math.abs(a - 50)).toBeLessThan(4 * Math.sqrt(25))
  })

  it('law: texts come back as they were, lone surrogates apart', async () => {
    const store = opened()
    const text = fc.string({ unit: 'grapheme', maxLength: 20 })
    await fc.assert(
      fc.asyncProperty(text, text, async (prompt, a) => {
        const pair = { prompt, a, b: [{ role: 'assistant', content: `${a}\u0000"` }], source: 's' }
        const [id] = await store.add([pair])
        expect((await store.pairs()).find((one) => one.id === id)).toEqual({ ...pair, id })
        expect(await store.find([pair])).toMatchObject([{ id }])
      }),
      { numRuns: 20 },
    )
  })

  it('two stores of one file take turns and lose nothing', async () => {
    const file = fresh()
    const [one, other] = [opened(file), opened(file)]
    await one.add(some(10))
    const all = async (store: Store, rater: string) => {
      for (let asked = await store.next(rater, 0); asked; asked = await store.next(rater, 0))
        await store.label([{ pair: asked.pair.id, rater, choice: 'a' }])
    }
    await Promise.all([all(one, 'ann'), all(other, 'bob')])
    expect(await one.counts()).toMatchObject({ labelled: 10, raters: { ann: { labels: 10 }, bob: { labels: 10 } } })
  }, 30_000)

  it.each([
    ['a choice', { choice: 'better' }, /choice of a label must be one of a, b, tie, none, skip, got "better"/],
    ['a confidence', { confidence: 4 }, /confidence of a label must be 1, 2 or 3, got 4/],
    ['a pair', { pair: 99 }, /must be on a pair of the store, got pair 99/],
    ['a rater', { rater: ' ' }, /rater of a label must be a name/],
  ])('refuses %s that cannot be, and keeps none of the labels beside it', async (_, wrong, message) => {
    const store = opened()
    await store.add(some(2))
    const fine = { pair: 1, rater: 'ann', choice: 'a' } as const
    await expect(store.label([fine, { ...fine, pair: 2, ...wrong } as never])).rejects.toThrow(message)
    expect(await store.labels()).toEqual([])
  })

  it.each([
    [
      'a newer version',
      (db: InstanceType<typeof sqlite.Database>) => db.exec('PRAGMA user_version = 9'),
      /version 1 or older, got version 9/,
    ],
    [
      'another program’s',
      (db: InstanceType<typeof sqlite.Database>) => db.exec('PRAGMA application_id = 5'),
      /a database of another program/,
    ],
  ])('refuses a store of %s', async (_, change, message) => {
    const file = fresh()
    const store = opened(file)
    await store.counts()
    await store.close()
    const db = new sqlite.Database(file)
    db.exec('PRAGMA locking_mode = exclusive')
    change(db)
    db.close()
    const again = openStore(file)
    await expect(again.counts()).rejects.toThrow(UserError)
    await expect(again.counts()).rejects.toThrow(message)
    expect(existsSync(`${file}.lock`)).toBe(false)
  })

  it('refuses a file that is no database, and a folder', async () => {
    const file = fresh()
    writeFileSync(file, 'x'.repeat(5000))
    await expect(openStore(file).counts()).rejects.toThrow(/must be a store of labels, got a file that SQLite cannot read/)
    mkdirSync(join(folder, 'place'))
    await expect(openStore(join(folder, 'place')).counts()).rejects.toThrow(/place: must be/)
  })

  it('clears the lock of a dead process away', async () => {
    const file = fresh()
    mkdirSync(`${file}.lock`)
    writeFileSync(
      `${file}.owner`,
      JSON.stringify({ pid: 2 ** 22 + 1, host: (await import('node:os')).hostname(), since: new Date(0).toISOString() }),
    )
    expect(await opened(file).counts()).toMatchObject({ pairs: 0 })
  })

  it('keeps every label that it acknowledged, when it is killed inside a later transaction', async () => {
    const file = fresh()
    await opened(file).add(some(60))
    await stores.at(-1)!.close()
    const child = join(folder, 'child.ts')
    writeFileSync(
      child,
      `import { writeSync } from 'node:fs'
      import { openStore } from ${JSON.stringify(resolve('src/labels/index.ts'))}
      import { atomically, connect } from ${JSON.stringify(resolve('src/labels/connection.ts'))}
      const store = openStore(${JSON.stringify(file)})
      for (let i = 0; i < 5; i++) {
        const { pair } = await store.next('ann', 0)
        await store.label([{ pair: pair.id, rater: 'ann', choice: 'a' }])
        writeSync(1, 'kept ' + pair.id + '\\n')
      }
      await store.close()
      await connect(${JSON.stringify(file)}, (db) => db.exec('PRAGMA cache_size = 5')).use((db) => atomically(db, () => {
        for (let i = 1; i <= 60; i++) db.run("INSERT OR REPLACE INTO label (pair, rater, choice, note, at) VALUES (?, 'torn', 'b', ?, '')", [i, 'x'.repeat(5000)])
        writeSync(1, 'inside\\n')
        for (;;);
      }))`,
    )
    const acknowledged: number[] = []
    for (let kill = 0; kill < 2; kill++) {
      const running = spawn(process.execPath, ['node_modules/jiti/lib/jiti-cli.mjs', child], { stdio: ['ignore', 'pipe', 'inherit'] })
      let out = ''
      for await (const chunk of running.stdout) {
        out += chunk
        if (out.includes('inside')) running.kill('SIGKILL')
      }
      if (running.exitCode === null && running.signalCode === null) await once(running, 'exit')
      expect(running.signalCode).toBe('SIGKILL')
      expect(existsSync(`${file}.lock`)).toBe(true)
      acknowledged.push(...[...out.matchAll(/kept (\d+)/g)].map(([, id]) => Number(id)))
    }
    const labels = await openStore(file).labels()
    expect(labels.map(({ pair }) => pair)).toEqual(acknowledged)
    expect(acknowledged).toHaveLength(10)
    expect(labels.every(({ rater }) => rater === 'ann')).toBe(true)
  }, 60_000)
})

describe('TRL’s columns', () => {
  const file = (...rows: unknown[]) => {
    const path = join(folder, `${names++}.jsonl`)
    writeFileSync(path, rows.map((row) => JSON.stringify(row)).join('\n'))
    return path
  }
  const turn = (role: string, content: string) => ({ role, content })

  it('come in as text or messages, with an explicit or an implicit prompt, and go out as they came', async () => {
    const [user, good, bad] = [turn('user', 'Hi'), turn('assistant', 'Hello!'), turn('assistant', 'No.')]
    const rows = [
      { prompt: 'Once', chosen: ' up', rejected: ' down' },
      { prompt: [user], chosen: [good], rejected: [bad] },
    ]
    const { pairs, aside } = await readPairFile(file(rows[0], { chosen: [user, good], rejected: [user, bad] }, { prompt: 'x' }))
    expect(aside).toEqual([expect.stringMatching(/:3: chosen and rejected, or completion: missing beside prompt/)])
    const store = opened()
    const ids = await store.add(pairs)
    await store.label(ids.map((pair) => ({ pair, rater: 'ann', choice: 'a' }) as const))
    const { rows: out } = trlRows(await store.pairs(), await store.labels())
    expect(out).toEqual(rows.map((row) => ({ ...row, votes: [1, 0] })))
  })

  it('leave out what is open or a tie, and count it; votes of several raters add up', async () => {
    const store = opened()
    await store.add(some(4))
    const say = (pair: number, ...said: ('a' | 'b' | 'tie' | 'none' | 'skip')[]) =>
      store.label(said.map((choice, i) => ({ pair, rater: `r${i}`, choice })))
    await say(1, 'b', 'tie', 'b')
    await say(2, 'a', 'b')
    await say(3, 'skip')
    expect(trlRows(await store.pairs(), await store.labels())).toEqual({
      rows: [{ prompt: 'p0', chosen: 'b0', rejected: 'a0', votes: [2.5, 0.5] }],
      open: 2,
      ties: 1,
    })
  })

  it.each([
    ['no rows', [], /must hold pairs, got no row/],
    ['a missing side', [{ prompt: 'x', chosen: 'y' }], /:1: rejected: missing; give prompt, chosen and rejected/],
    ['a number', [{ prompt: 'x', a: 1, b: 'y' }], /:1: a must be a text.*got 1/],
    ['no prompt', [{ chosen: 'x', rejected: 'y' }], /:1: prompt: missing, and chosen and rejected must then begin alike/],
    [
      'talks that share nothing',
      [{ chosen: [turn('user', 'x')], rejected: [turn('user', 'y')] }],
      /must then begin alike, got nothing that they share/,
    ],
  ])('with %s are refused', async (_, rows, message) => {
    await expect(readPairFile(file(...rows))).rejects.toThrow(message)
  })
})
