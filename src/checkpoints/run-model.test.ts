import { cp, mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, it } from 'vitest'
import { loadCheckpoint } from './checkpoint.ts'

it('a model is loaded from a run, or from one of its rounds; a run without one says which rounds have', async () => {
  const run = await mkdtemp(join(tmpdir(), 'innate-run-'))
  const tiny = resolve('fixtures/llama-tiny')
  await writeFile(join(run, 'manifest.json'), '{}')
  await expect(loadCheckpoint(run)).rejects.toThrow(/got a run without an accepted model; it kept none of its rounds either$/)
  await mkdir(join(run, 'rounds/01'), { recursive: true })
  await cp(tiny, join(run, 'rounds/02/model'), { recursive: true })
  await expect(loadCheckpoint(run)).rejects.toThrow(/its rounds have: [^,]*rounds.02$/)
  expect((await loadCheckpoint(join(run, 'rounds/02'))).hash).toBe((await loadCheckpoint(tiny)).hash)
  await cp(tiny, join(run, 'model'), { recursive: true })
  expect((await loadCheckpoint(run)).config).toEqual((await loadCheckpoint(tiny)).config)
})
