import { spawn } from 'node:child_process'
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { writeAtomic } from '../files/write.ts'
import { UserError } from '../graph/errors.ts'
import { createRun, openRun } from './run.ts'
import type { Metrics, NewManifest } from './schema.ts'

const manifest: NewManifest = {
  kind: 'train',
  command: 'innate train recipe.json',
  recipe: { model: 'tiny', train: { epochs: 1 } },
  objective: { name: 'dpo', params: { beta: 0.1 } },
  model: { name: 'tiny', sha256: 'ab', parameters: 12 },
  seeds: { train: 0 },
  versions: { innate: '0.1.0', node: process.versions.node, onnxruntime: '1.30.0' },
}
const row = (step: number, round = 0): Metrics => ({
  round,
  step,
  loss: Math.LN2,
  chosenLogRatio: 0.1,
  rejectedLogRatio: -0.2,
  margin: 0.3,
  accuracy: 1,
  kl: 0.01,
  chosenTokens: 20,
  rejectedTokens: 21,
  gradNorm: 2,
  lr: 1e-5,
  tokensPerSecond: 900,
})
const fresh = () => join(mkdtempSync(join(tmpdir(), 'innate-run-')), 'run')
const noDevFull = !existsSync('/dev/full')

describe('a run folder', () => {
  it('is new, keeps what is written, and ends', async () => {
    const folder = fresh()
    const run = await createRun(folder, manifest)
    await run.appendMetrics(row(1))
    await run.appendMetrics({ ...row(2), penalty: 0.5 })
    await run.write('rounds/01/evaluation.json', { round: 1 })
    await run.close({ ended: true })

    const again = await openRun(folder)
    expect(again.manifest).toMatchObject({ name: 'run', kind: 'train', recipe: manifest.recipe })
    expect(again.manifest.ended).toBeDefined()
    expect(await again.readMetrics()).toEqual([row(1), { ...row(2), penalty: 0.5 }])
    expect(readdirSync(folder).sort()).toEqual(['manifest.json', 'metrics.jsonl', 'rounds'])
  })

  it('refuses a folder that holds something, and a folder that holds no run', async () => {
    const folder = fresh()
    await (await createRun(folder, manifest)).close()
    await expect(createRun(folder, manifest)).rejects.toThrow(/needs a new or empty folder, got a run.*--resume/)
    await expect(openRun(join(folder, 'nowhere'))).rejects.toThrow(UserError)
  })

  it('names itself by date and time, differently each time', async () => {
    const before = process.cwd()
    process.chdir(mkdtempSync(join(tmpdir(), 'innate-run-')))
    try {
      const runs = [await createRun(undefined, manifest), await createRun(undefined, manifest)]
      expect(runs[0]!.folder).not.toBe(runs[1]!.folder)
      expect(runs[0]!.manifest.name).toMatch(/^\d{4}-\d\d-\d\d-\d{6}$/)
    } finally {
      process.chdir(before)
    }
  })

  it('reads past a line torn by a kill and writes on where the checkpoint stands', async () => {
    const folder = fresh()
    const run = await createRun(folder, manifest)
    for (const step of [1, 2, 3]) await run.appendMetrics(row(step, 1))
    for (const step of [1, 2]) await run.appendMetrics(row(step, 2))
    appendFileSync(join(folder, 'metrics.jsonl'), '{"round":2,"step":3,"lo')
    expect(await run.readMetrics()).toHaveLength(5)
    await run.truncateMetrics({ round: 2, step: 1 })
    await run.appendMetrics(row(2, 2))
    expect((await run.readMetrics()).map((r) => [r.round, r.step])).toEqual([
      [1, 1],
      [1, 2],
      [1, 3],
      [2, 1],
      [2, 2],
    ])
  })

  it('names file, line and field of a row that does not fit', async () => {
    const folder = fresh()
    const run = await createRun(folder, manifest)
    writeFileSync(join(folder, 'metrics.jsonl'), `${JSON.stringify(row(1))}\n${JSON.stringify({ ...row(2), loss: 'x' })}\n`)
    await expect(run.readMetrics()).rejects.toThrow(/metrics\.jsonl:2: loss must fit/)
  })
})

describe('the lock', () => {
  it('keeps a second writer out, lets readers in, and is given back', async () => {
    const folder = fresh()
    const run = await createRun(folder, manifest)
    await expect(openRun(folder, { resume: true })).rejects.toThrow(/one process at a time.*process \d+/)
    expect((await openRun(folder)).manifest.kind).toBe('train')
    await run.close()
    await (await openRun(folder, { resume: true })).close()
  })

  it('holds against a living process and is taken over from a killed one', async () => {
    const folder = fresh()
    await (await createRun(folder, manifest)).close()
    const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    const held = JSON.stringify({ pid: other.pid, host: hostname(), since: 'now' })
    writeFileSync(join(folder, 'lock'), held)
    await expect(openRun(folder, { resume: true })).rejects.toThrow(`process ${other.pid}`)
    // Another process has its number since: it began at another time.
    writeFileSync(join(folder, 'lock'), JSON.stringify({ ...JSON.parse(held), began: 1 }))
    if (existsSync('/proc/self/stat')) await (await openRun(folder, { resume: true })).close()
    writeFileSync(join(folder, 'lock'), held)
    const gone = new Promise((resolve) => other.once('exit', resolve))
    other.kill('SIGKILL')
    await gone
    const run = await openRun(folder, { resume: true })
    expect(readFileSync(join(folder, 'lock'), 'utf8')).toContain(String(process.pid))
    await run.close()
    expect(existsSync(join(folder, 'lock'))).toBe(false)
  })

  it('is taken over when it was torn, and respected when it is of another machine', async () => {
    const folder = fresh()
    await (await createRun(folder, manifest)).close()
    writeFileSync(join(folder, 'lock'), '{"pi')
    await (await openRun(folder, { resume: true })).close()
    writeFileSync(join(folder, 'lock'), JSON.stringify({ pid: 1, host: 'elsewhere', since: 'now' }))
    await expect(openRun(folder, { resume: true })).rejects.toThrow(/on elsewhere.*delete/)
  })
})

describe('writing', () => {
  it('leaves the old content and no temporary file when the disk refuses', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'innate-run-'))
    await writeAtomic(join(folder, 'a'), 'old')
    await expect(writeAtomic(join(folder, 'a', 'b'), 'new')).rejects.toThrow(
      /b: must be writable, got (ENOTDIR|EEXIST); choose a path whose parents/,
    )
    await writeAtomic(join(folder, 'a'), 'new')
    expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('new')
    expect(readdirSync(folder)).toEqual(['a'])
  })

  it.skipIf(noDevFull)('names path, need and remedy on a full disk (not run here without /dev/full)', async () => {
    const folder = fresh()
    const run = await createRun(folder, manifest)
    symlinkSync('/dev/full', join(folder, 'metrics.jsonl'))
    await expect(run.appendMetrics(row(1))).rejects.toThrow(
      /metrics\.jsonl: the disk must have room for 1 kB more, got a full disk \(ENOSPC\); free/,
    )
    symlinkSync('/dev/full', join(folder, `verdict.json.${process.pid}.tmp`))
    await expect(run.write('verdict.json', { verdict: 'accepted' })).rejects.toThrow(UserError)
    expect(run.has('verdict.json')).toBe(false)
  })
})
