import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { type Experiment, runExperiment } from './experiment.ts'

const folder = mkdtempSync(join(tmpdir(), 'innate-experiment-'))
let made = 0

/** An experiment in a file of its own, as worker processes load it. */
async function written(run: string, extension = 'mjs'): Promise<[Experiment, string]> {
  const file = join(folder, `coins-${made++}.${extension}`)
  const typed = extension === 'ts' ? ': number' : ''
  writeFileSync(
    file,
    `const noise = (seed${typed}, trial${typed}) => Math.sin(seed * 12.9898 + trial * 78.233) / 3
const wait = (ms${typed}) => new Promise((done) => setTimeout(done, ms))
export default {
  name: 'coins', claim: 'a loaded coin falls on heads more often', source: 'closed form',
  arms: ['loaded', 'fair'], controls: ['as fair'], seeds: [0, 1, 2, 3], trials: 2,
  ${run},
  decide(table) {
    const [loaded, fair] = ['loaded', 'fair'].map((arm) => table.rows.find((row) => row.name === 'heads' && row.group.arm === arm))
    const estimate = loaded.estimate - fair.estimate
    return { verdict: estimate > 0 ? 'holds' : 'does not hold', estimate, low: estimate, high: estimate, n: loaded.n, why: 'by construction' }
  },
}`,
  )
  const module = pathToFileURL(file).href
  // A module of TypeScript is loaded by the workers alone here.
  const { default: experiment } = extension === 'ts' ? { default: undefined as never } : await import(/* @vite-ignore */ module)
  return [experiment, module]
}

// Later trials are quicker, so that they overtake.
const run = `run: async (arm, seed, trial) => {
    await wait(5 * ((seed * 5 + trial * 3) % 4))
    return { heads: (arm === 'loaded' ? 0.75 : 0.5) + noise(seed, trial), threads: Number(process.env.INNATE_THREADS) }
  }`
const fresh = () => join(folder, `run-${made++}`)
const files = (at: string) => ['trials.jsonl', 'table.json', 'decision.json'].map((name) => readFileSync(join(at, name), 'utf8'))

describe('experiments', () => {
  it('give the same files with one worker and with three; each process has one engine thread', async () => {
    const [experiment, module] = await written(run)
    const [one, three] = [fresh(), fresh()]
    const decided = await runExperiment(experiment, module, { folder: one, workers: 1 })
    await runExperiment(experiment, module, { folder: three, workers: 3 })
    expect(files(three)).toEqual(files(one))
    expect(decided).toMatchObject({ verdict: 'holds', n: 4 })
    expect(decided.estimate).toBeCloseTo(0.25, 12)
    expect(decided.table.rows.map(({ name, group }) => `${group.kind} ${group.arm} ${name}`)).toEqual([
      'arm loaded heads',
      'arm loaded threads',
      'arm fair heads',
      'arm fair threads',
      'control as fair heads',
      'control as fair threads',
    ])
    expect(decided.table.rows.filter(({ name }) => name === 'threads').every(({ values }) => values!.every((x) => x === 1))).toBe(true)
  })

  it('stopped and gone on with, are as if they had not been; what was done is not done again', async () => {
    const [experiment, module] = await written(run)
    const [whole, parts] = [fresh(), fresh()]
    await runExperiment(experiment, module, { folder: whole, workers: 2 })
    const stop = new AbortController()
    const progress = (done: number) => done === 5 && stop.abort(new Error('enough'))
    await expect(runExperiment(experiment, module, { folder: parts, workers: 3, progress, signal: stop.signal })).rejects.toThrow('enough')
    const before = readFileSync(join(parts, 'trials.jsonl'), 'utf8')
    writeFileSync(join(parts, 'trials.jsonl'), `${before}{"arm":"fa`) // torn by a kill
    const seen: number[] = []
    await runExperiment(experiment, module, { folder: parts, workers: 1, progress: (done) => seen.push(done) })
    expect(seen[0]).toBe(before.split('\n').length - 1)
    expect(files(parts)).toEqual(files(whole))
  })

  it('killed with -9 and gone on with, are as if they had not been', async () => {
    const [experiment, module] = await written(run.replace('5 *', '40 *'))
    const [whole, killed] = [fresh(), fresh()]
    const { href } = pathToFileURL(join(import.meta.dirname, '../../dist/runs/index.js'))
    const code = `const { runExperiment } = await import(${JSON.stringify(href)})
const { default: experiment } = await import(${JSON.stringify(module)})
await runExperiment(experiment, ${JSON.stringify(module)}, { folder: ${JSON.stringify(killed)}, workers: 3, progress: (done) => console.log(done) })`
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
    for await (const chunk of child.stdout) if (/\b4\b/.test(String(chunk))) break
    child.kill('SIGKILL')
    await once(child, 'exit')
    await runExperiment(experiment, module, { folder: killed, workers: 1 })
    await runExperiment(experiment, module, { folder: whole, workers: 3 })
    expect(files(killed)).toEqual(files(whole))
  })

  it('a module of TypeScript is loaded too', async () => {
    const [experiment] = await written(run)
    const [, module] = await written('run: async (arm: string, seed: number, trial: number) => ({ heads: noise(seed, trial) })', 'ts')
    await expect(runExperiment(experiment, module, { folder: fresh(), workers: 1 })).resolves.toMatchObject({ verdict: 'does not hold' })
  })

  it('refuse a folder of another experiment, and say which trial failed', async () => {
    const [experiment, module] = await written(run)
    const at = fresh()
    await runExperiment(experiment, module, { folder: at, workers: 2 })
    await expect(runExperiment({ ...experiment, seeds: [0, 1] }, module, { folder: at })).rejects.toThrow('got another seeds')
    await expect(runExperiment({ ...experiment, seeds: [0] }, module, { folder: at })).rejects.toThrow('at least 2 seeds, got 1')
    const [broken, its] = await written(`run: () => { throw new Error('no coin') }`)
    await expect(runExperiment(broken, its, { folder: fresh(), workers: 1 })).rejects.toThrow(/arm loaded, seed 0, trial 0: .*no coin/)
    const [nan, of] = await written('run: () => ({ heads: 0 / 0 })')
    await expect(runExperiment(nan, of, { folder: fresh(), workers: 1 })).rejects.toThrow('heads must be a finite number, got NaN')
  })
})
