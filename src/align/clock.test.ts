import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createRun, readReport, renderReport, timesFile, timesSchema } from '../runs/index.ts'
import { clocked } from './clock.ts'
import { begin, during } from './watch.ts'

it('gives every second to the innermost piece that is under way, and adds up over processes', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'innate-clock-'))
  const run = await createRun(join(folder, 'run'), {
    ...{ kind: 'train', command: 'train', recipe: {}, objective: { name: 'dpo', params: {} }, seeds: {} },
    model: { name: 'small', sha256: 'ab', parameters: 1 },
    versions: { innate: '0', node: '0', onnxruntime: '0' },
  })
  let now = 0
  const pass = (seconds: number) => (now += 1000 * seconds)
  const shown: string[] = []
  const process = clocked(
    { note: (line) => shown.push(line), progress: (label) => ({ advance() {}, done: () => shown.push(label) }) },
    () => now,
  )
  const { watch } = process
  pass(1)
  await during(watch, 'opening the model', async () => pass(2))
  const looking = begin(watch, 'round 2: looking', 1)
  pass(4)
  const judging = begin(watch, 'judging', 1)
  pass(8)
  judging.done()
  pass(16)
  looking.done()
  looking.done()
  await expect(during(watch, 'writing the model', () => Promise.reject(pass(32)))).rejects.toBe(now)
  watch.note?.('still heard')
  await process.keep(run)
  expect(await run.read(timesFile, timesSchema)).toEqual({
    other: 1,
    'opening the model': 2,
    looking: 20,
    judging: 8,
    'writing the model': 32,
  })
  expect(shown).toEqual(['judging', 'round 2: looking', 'round 2: looking', 'still heard'])

  const resumed = clocked({}, () => now)
  begin(resumed.watch, 'round 3: looking', 1)
  pass(64)
  await resumed.keep(run)
  expect((await run.read(timesFile, timesSchema)).looking).toBe(84)
  expect(renderReport(await readReport(run)).replace(/<[^>]*>/g, ' ')).toMatch(/looking\s+84\.0 s\s+66 %/)
  await run.close()
  await rm(folder, { recursive: true, force: true })
})
