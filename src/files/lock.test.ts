import { statSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lock } from './lock.ts'

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'innate-lock-'))
})
afterAll(() => rm(root, { recursive: true, force: true }))

// No system gives this number to a process.
const dead = JSON.stringify({ pid: 2 ** 30, host: hostname(), since: 'then' })

describe('a lock', () => {
  it.each([
    ['that is free', undefined],
    ['that a dead process left', dead],
  ])('%s is held by one at a time, and nothing stays', async (_, left) => {
    const round = async () => {
      const folder = await mkdtemp(join(root, 'round-'))
      if (left !== undefined) await writeFile(join(folder, 'lock'), left)
      let [inside, most, done] = [0, 0, 0]
      const work = async () => {
        const release = await lock(folder, { waitMs: 60_000 })
        most = Math.max(most, ++inside)
        await setTimeout(1)
        inside--
        done++
        await release()
      }
      await Promise.all(Array.from({ length: 4 }, work))
      expect([most, done]).toEqual([1, 4])
      expect(await readdir(folder)).toEqual([])
    }
    await Promise.all(Array.from({ length: 10 }, round))
  })

  it('has its whole content from the first moment', async () => {
    const folder = await mkdtemp(join(root, 'whole-'))
    const seen = new Set<number>()
    let busy = true
    const look = () => {
      const file = join(folder, 'lock')
      const length = statSync(file, { throwIfNoEntry: false })?.size
      if (length !== undefined) seen.add(length)
      if (busy) setImmediate(look)
    }
    look()
    for (let i = 0; i < 100; i++) await (await lock(folder))()
    busy = false
    expect(seen.size).toBe(1)
  })

  it('without its content is waited for, then taken over', async () => {
    const folder = await mkdtemp(join(root, 'torn-'))
    const file = join(folder, 'lock')
    await writeFile(file, '')
    const alive = JSON.stringify({ pid: process.pid, host: hostname(), since: 'now' })
    const written = setTimeout(100).then(() => writeFile(file, alive))
    await expect(lock(folder)).rejects.toThrow(`one process at a time may write to a run, got process ${process.pid}`)
    await written
    await writeFile(file, '')
    const before = new Date(Date.now() - 60_000)
    await utimes(file, before, before)
    const release = await lock(folder)
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ pid: process.pid })
    await release()
  })

  it('is taken over from a process that died while it took over another', async () => {
    const folder = await mkdtemp(join(root, 'twice-'))
    await writeFile(join(folder, 'lock'), dead)
    await writeFile(join(folder, 'lock.takeover'), dead)
    await (await lock(folder))()
    expect(await readdir(folder)).toEqual([])
  })
})
