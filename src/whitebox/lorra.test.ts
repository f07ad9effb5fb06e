import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { loadCheckpoint, writeEdit } from '../checkpoints/index.ts'
import { mergeAdapters } from '../models/index.ts'
import { openModel, openPolicy, readAdapters, scoreTrees } from '../policy/index.ts'
import { random } from '../random/index.ts'
import { fitLorra } from './fit-lorra.ts'
import { lorra } from './lorra.ts'
import type { SteerRow } from './steer-rows.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-lorra-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe.each(['llama-tiny', 'family-gemma2'])('LoRRA on %s', (fixture) => {
  it('moves what a block writes towards where it should be; its edit is the merged weights, and strength 0 changes nothing', async () => {
    const model = await openModel(`fixtures/${fixture}`)
    try {
      const texts = [[1, 20, 33, 41, 7], [1, 60, 5, 9], [1, 12, 80, 44, 2, 9]] // biome-ignore format: one line
      const trees = [{ prompt: [1, 60], completions: [[5, 9, 31]] }]
      const direction = random(4, 'lorra').normals(model.config.hiddenSize)
      const trained = await fitLorra(model, texts, { layer: 0, direction, strength: 0.3, steps: 40, lr: 1e-2 })
      expect(trained.losses[0]).toBeCloseTo(1, 4)
      expect(trained.losses.at(-1)).toBeLessThan(0.7)
      const file = join(folder, `${fixture}.safetensors`)
      await writeEdit(file, await trained.edit('push'))
      const checkpoint = await loadCheckpoint(`fixtures/${fixture}`)
      const merged = await openPolicy(model.policy.engine, { ...checkpoint, params: mergeAdapters(checkpoint.params, (await readAdapters(trained.policy))!) }) // biome-ignore format: one line
      const edited = await openPolicy(model.policy.engine, await loadCheckpoint(`fixtures/${fixture}`, { edit: file }))
      const [plain, own] = [await scoreTrees(model.policy, trees), await scoreTrees(trained.policy, trees)]
      expect(Math.abs(own[0]! - plain[0]!)).toBeGreaterThan(1e-3)
      expectClose(await scoreTrees(edited, trees), await scoreTrees(merged, trees), tolerances.teacherForced)
      expectClose(await scoreTrees(edited, trees), own, tolerances.teacherForced)
      await trained.close()

      const none = await fitLorra(model, texts, { layer: 0, direction, strength: 0 })
      expect(none.losses).toEqual([])
      expect(await scoreTrees(none.policy, trees)).toEqual(plain)
      for (const [key, { data }] of Object.entries((await none.edit('none')).tensors)) if (key.endsWith('.up')) expect(data.every((x) => x === 0)).toBe(true) // biome-ignore format: one line
      await none.close()
    } finally {
      await model.close()
    }
  })
})

it('is measured on rows held out, beside three that should not do it', async () => {
  const model = await openModel('fixtures/llama-tiny')
  try {
    const side = (end: number): SteerRow[] =>
      Array.from({ length: 24 }, (_, i) => ({ text: `${'abcdefgh'[i % 8]} ${i * 7919} ${end}`, tree: { prompt: [1, 3 + i, 90 + 3 * i], completions: [[end, end + 1]] } })) // biome-ignore format: one line
    const found = await lorra(model, side(20), side(200), { layer: 0, strength: 1, steps: 6, lr: 5e-3 })
    expect(found.rows.fit[0] + found.rows.measure[0]).toBeLessThan(24)
    expect(found.loss[1]).toBeLessThan(found.loss[0])
    const { effect, controls, steers } = found
    expect(steers).toBe(!effect.cannotTell && effect.low > Math.max(0, controls.random.estimate, controls.shuffled.estimate))
    expect(effect.n).toBe(found.rows.measure[0])
    await found.lorra.close()
  } finally {
    await model.close()
  }
})
