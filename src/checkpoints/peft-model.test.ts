import { cp, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, it } from 'vitest'
import { mergeAdapters } from '../models/index.ts'
import { loadCheckpoint } from './checkpoint.ts'
import { loadAdapters } from './load-peft.ts'

it('a folder of PEFT is the model that it names, with the adapter in its weights; one that names none, or one that is not there, says so', async () => {
  const tiny = resolve('fixtures/llama-tiny')
  const base = await loadCheckpoint(tiny)
  const folder = join(await mkdtemp(join(tmpdir(), 'innate-peft-')), 'adapter')
  await cp('fixtures/peft-lora', folder, { recursive: true })
  const file = join(folder, 'adapter_config.json')
  const named = async (name: string | null) => {
    const json = JSON.parse(await readFile(file, 'utf8'))
    await writeFile(file, JSON.stringify({ ...json, base_model_name_or_path: name }))
    return loadCheckpoint(folder)
  }
  const loaded = await named(tiny)
  expect(loaded.params).toEqual(mergeAdapters(base.params, await loadAdapters(folder, base.config)))
  expect([loaded.name, loaded.folder, loaded.hash === base.hash]).toEqual(['adapter', tiny, false])
  await cp(tiny, join(folder, 'base'), { recursive: true })
  expect((await named('base')).hash).toBe(loaded.hash)
  await expect(named(null)).rejects.toThrow(/base_model_name_or_path must name the model that the adapter is for, got nothing/)
  await expect(named('nowhere')).rejects.toThrow(/the model that its adapter is for must be here: model: must be stories5m/)
})
