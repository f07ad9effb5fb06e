import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { writeEdit } from '../checkpoints/index.ts'
import { openModel } from '../policy/index.ts'
import { compareEdits, editWays } from './compare-edits.ts'
import { dealt } from './search/rows.ts'

it('every way is measured as the model opened under its edit says', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'innate-compare-'))
  const model = await openModel('fixtures/llama-tiny')
  try {
    const target = Array.from({ length: 6 }, (_, i) => {
      const prompt = `Bird ${'abcdef'[i]} sat`
      const before = model.ids(prompt)
      return { prompt, ids: [...before, 77], from: before.length }
    })
    const control = ['Bird x ran', 'Bird y ran', 'Bird z ran'].map((text) => ({ text, ids: model.ids(text) }))
    const found = await compareEdits(model, {
      target,
      control,
      sites: ['blocks.1.mlp.down'],
      size: 'rank',
      success: 0.5,
      controlKl: 5,
      ways: ['finetune', 'lora', 'steering', 'rome'],
    })
    expect(found.map(({ way }) => way)).toEqual(editWays.slice(1))
    const { held } = dealt('target', target.map(({ prompt }) => prompt), 0.3, 0, 2) // biome-ignore format: one line
    for (const { way, edit, success, controlKl, passes, norm, parameters } of found) {
      const file = join(folder, `${way}.safetensors`)
      await writeEdit(file, edit)
      const edited = await openModel('fixtures/llama-tiny', { edit: file })
      let right = 0
      for (const i of held) {
        const { data, shape } = await edited.logprobs(target[i]!.prompt)
        const last = data.slice((shape[0]! - 1) * shape[1]!)
        right += Number(last.indexOf(Math.max(...last)) === 77)
      }
      expect(right / held.length, way).toBe(success)
      // KL(before ‖ after), summed by hand.
      let [sum, tokens] = [0, 0]
      for (const { text } of control) {
        const [p, q] = [(await model.logprobs(text)).data, (await edited.logprobs(text)).data]
        p.forEach((logp, i) => void (sum += Math.exp(logp) * (logp - q[i]!))) // biome-ignore format: one line
        tokens += p.length / model.config.vocabSize
      }
      expect(Math.abs(controlKl.estimate - sum / tokens), way).toBeLessThan(1e-4 + 1e-3 * Math.abs(sum / tokens))
      expect(Math.min(passes.forward, norm, parameters), way).toBeGreaterThan(0)
      await edited.close()
    }
    expect(found.filter(({ success }) => success === 1).map(({ way }) => way)).toEqual(expect.arrayContaining(['finetune', 'lora']))
  } finally {
    await model.close()
    await rm(folder, { recursive: true, force: true })
  }
})
