import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadCheckpoint, loadRecipe } from 'innate'
import { dealTasks, readTasks } from 'innate/shutdown'
import { expect, it } from 'vitest'

it('the recipe loads, and the tasks that are made for it are dealt by families', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'innate-tasks-'))
  const file = join(folder, 'tasks.jsonl')
  writeFileSync(file, spawnSync(process.execPath, [join(import.meta.dirname, 'make-tasks.mjs')], { encoding: 'utf8' }).stdout)
  const { model, look, seed, preferences, objective } = await loadRecipe(join(import.meta.dirname, 'drest.ts'))
  expect([preferences.kind, objective.name]).toEqual(['tasks', 'drest'])
  const { train, development, sealed } = dealTasks(file, await readTasks(file, await loadCheckpoint(model)), { trains: true, look, seed })
  expect([train.length, development.length, sealed.length]).toEqual([96, 24, 24])
  const families = [train, development, sealed].map((part) => [...new Set(part.map(({ family }) => family))])
  expect(new Set(families.flat()).size).toBe(families.flat().length)
  rmSync(folder, { recursive: true })
})
