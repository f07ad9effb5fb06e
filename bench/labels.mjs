import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sqlite from 'node-sqlite3-wasm'
import { openStore } from '../dist/labels/index.js'

/** What a label costs, what an import costs, and whether a process that is killed inside a transaction loses an acknowledged label. */
export const labels = {
  about: 'labels: time of one and of an import of 10,000; kills inside a transaction, and what they lose',
  flags: ['--kills'],
  async measure(say, flags) {
    const kills = Number(flags.get('--kills') ?? 200)
    const folder = mkdtempSync(join(tmpdir(), 'innate-labels-'))
    try {
      return { ...(await times(join(folder, 'times.db'))), ...(await killed(join(folder, 'kills.db'), kills, say)) }
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
  table: (r) =>
    `one label, median ${r.labelMs.toFixed(1)} ms, 19 of 20 within ${r.label95Ms.toFixed(1)} ms; an import of 10,000 ${r.importMs.toFixed(0)} ms\n` +
    `${r.kills} kills inside a transaction: ${r.acknowledged} labels acknowledged, ${r.lost} lost, ${r.torn} of an unfinished transaction; ` +
    `${r.locksLeft} locks left and cleared away; integrity ${r.integrity}`,
}

const some = (n) =>
  Array.from({ length: n }, (_, i) => ({ prompt: `p${i}`, a: 'a'.repeat(300) + i, b: 'b'.repeat(300) + i, source: 'bench' }))

async function times(file) {
  const store = openStore(file)
  await store.counts()
  let began = performance.now()
  await store.add(some(10_000))
  const importMs = performance.now() - began
  const each = []
  for (let i = 1; i <= 200; i++) {
    // As a person does: the store was left alone before.
    await new Promise((done) => setTimeout(done, 40))
    began = performance.now()
    await store.label([{ pair: i, rater: 'bench', choice: 'a', first: 'a' }])
    each.push(performance.now() - began)
  }
  await store.close()
  each.sort((a, b) => a - b)
  return { importMs, labelMs: each[100], label95Ms: each[190] }
}

async function killed(file, kills, say) {
  const store = openStore(file)
  await store.add(some(2 * kills + 60))
  await store.close()
  const code = `
    import { writeSync } from 'node:fs'
    import { openStore } from ${JSON.stringify(new URL('../dist/labels/index.js', import.meta.url).href)}
    import { atomically, connect } from ${JSON.stringify(new URL('../dist/labels/connection.js', import.meta.url).href)}
    const store = openStore(${JSON.stringify(file)})
    for (let i = 0; i < 2; i++) {
      const { pair } = await store.next('ann', 0)
      await store.label([{ pair: pair.id, rater: 'ann', choice: 'a' }])
      writeSync(1, 'kept ' + pair.id + '\\n')
    }
    await store.close()
    await connect(${JSON.stringify(file)}, (db) => db.exec('PRAGMA cache_size = 5')).use((db) => atomically(db, () => {
      writeSync(1, 'inside\\n')
      for (let i = 1; ; i = (i % 60) + 1) db.run("INSERT OR REPLACE INTO label (pair, rater, choice, note, at) VALUES (?, 'torn', 'b', ?, '')", [i, 'x'.repeat(5000)])
    }))`
  const acknowledged = []
  let locksLeft = 0
  for (let kill = 1; kill <= kills; kill++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    let set = false
    for await (const chunk of child.stdout) {
      out += chunk
      // Some kills come at once, some once the log has grown.
      if (out.includes('inside') && !set) {
        set = true
        setTimeout(() => child.kill('SIGKILL'), kill % 40)
      }
    }
    acknowledged.push(...[...out.matchAll(/kept (\d+)/g)].map(([, id]) => Number(id)))
    if (existsSync(`${file}.lock`)) locksLeft++
    if (kill % 20 === 0) say(`${kill} of ${kills} kills`)
  }
  const again = openStore(file)
  const found = await again.labels()
  await again.close()
  const mine = new Set(found.filter(({ rater }) => rater === 'ann').map(({ pair }) => pair))
  const db = new sqlite.Database(file)
  db.exec('PRAGMA locking_mode = exclusive')
  const integrity = db.get('PRAGMA integrity_check').integrity_check
  db.close()
  return {
    kills,
    acknowledged: acknowledged.length,
    lost: acknowledged.filter((id) => !mine.has(id)).length,
    torn: found.filter(({ rater }) => rater === 'torn').length,
    locksLeft,
    integrity,
  }
}
