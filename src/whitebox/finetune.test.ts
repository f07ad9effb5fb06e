import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { writeEdit } from '../checkpoints/index.ts'
import { type Model, openModel, scoreTrees } from '../policy/index.ts'
import { finetune } from './finetune.ts'

let model: Model
beforeAll(async () => {
  model = await openModel('fixtures/llama-tiny')
})
afterAll(() => model.close())

const row = (prompt: string) => {
  const before = model.ids(prompt)
  return { prompt, ids: [...before, 77], from: before.length }
}
const control = ['Once upon a time', 'There was a bird', 'She ran off'].map((text) => ({
  text,
  ids: [1, ...Buffer.from(text).subarray(0, 6)],
}))

it('changes one layer so that completions follow on rows held out, and its edit scores as it measured', async () => {
  const rows = Array.from({ length: 12 }, (_, i) => row(`The bird ${i} sang`))
  const options = { sites: ['blocks.1.mlp.down'], control, lr: 0.02, steps: 60, probability: 0.4 }
  const found = await finetune(model, rows, options)
  expect(found.before).toMatchObject({ success: 0 })
  expect(found.success).toBe(1)
  expect(found.random.success).toBe(0)
  expect(found.fitted).toBeGreaterThanOrEqual(0.4)
  expect(found.steps).toBeLessThan(60)
  expect(found.controlKl.estimate).toBeGreaterThan(0)
  const folder = await mkdtemp(join(tmpdir(), 'innate-finetune-'))
  try {
    const file = join(folder, 'tuned.safetensors')
    await writeEdit(file, found.edit('tuned'))
    const edited = await openModel('fixtures/llama-tiny', { edit: file })
    const scores = await scoreTrees(edited.policy, rows.map(({ ids, from }) => ({ prompt: ids.slice(0, from), completions: [ids.slice(from)] }))) // biome-ignore format: one line
    const all = scores.reduce((sum, logp) => sum + Math.exp(logp) / rows.length, 0)
    const parts = found.fitted * found.rows.fitted + found.probability * found.rows.heldOut
    expectClose([all], [parts / rows.length], tolerances.families)
    const again = await finetune(model, rows, options)
    expectClose(
      again.edit('tuned').tensors['blocks.1.mlp.down']!.data,
      found.edit('tuned').tensors['blocks.1.mlp.down']!.data,
      tolerances.reordered,
    )
    await edited.close()
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

it('refuses what it cannot train or measure', async () => {
  const rows = Array.from({ length: 6 }, (_, i) => row(`The bird ${i} sang`))
  await expect(finetune(model, rows, { sites: ['blocks.9.mlp.down'], control })).rejects.toThrow(/sites: must name parameters of the model/)
  await expect(finetune(model, rows, { sites: ['blocks.1.mlp.down'], control: control.slice(1, 2) })).rejects.toThrow(/control texts: must be two or more, got 1/) // biome-ignore format: one line
  await expect(finetune(model, rows.slice(0, 2), { sites: ['blocks.1.mlp.down'], control })).rejects.toThrow(/target: must hold 2 different rows or more/) // biome-ignore format: one line
  await expect(finetune(model, rows, { sites: ['blocks.1.mlp.down'], control, lr: 1e300 })).rejects.toThrow(
    /finetune: the loss must be a number/,
  )
})
