import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { writeEdit } from '../checkpoints/index.ts'
import { openModel } from '../policy/index.ts'
import { factOf, rome, romeFactors } from './rome.ts'

it("V-ROME-1: W'k = v, and a key orthogonal to C⁻¹k is read as before", () => {
  // W = I, k = (1, 0), v = (0, 1), C = [[2, 1], [1, 2]]
  const { up, down } = romeFactors(Float64Array.of(-1, 1), Float64Array.of(1, 0), Float64Array.of(2, 1, 1, 2))
  const changed = [0, 1].map((i) => [0, 1].map((j) => Number(i === j) + up[i]! * down[j]!))
  expectClose(changed.flat(), [0, 0.5, 1, 0.5], tolerances.reordered)
  const read = ([x, y]: number[]) => changed.map(([a, b]) => a! * x! + b! * y!)
  expectClose(read([1, 0]), [0, 1], tolerances.reordered)
  expectClose(read([1, 2]), [1, 2], tolerances.reordered)
})

it('makes the object as likely after the prompt as its value did, in the edited model', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'innate-rome-'))
  const model = await openModel('fixtures/llama-tiny')
  try {
    const prompt = model.ids('The cat sat on')
    const object = [77]
    const texts = ['Once upon a time', 'There was a bird', 'She ran off'].map((text) => model.ids(text))
    const made = await rome(model, prompt, object, { layer: 0, subject: prompt.length - 1, texts, probability: 0.5, steps: 80 })
    expect(made.before).toBeLessThan(0.1)
    expect(made.after).toBeGreaterThanOrEqual(0.5)
    const file = join(folder, 'rome.safetensors')
    await writeEdit(file, made.edit('rome'))
    const edited = await openModel('fixtures/llama-tiny', { edit: file })
    const { data } = await edited.logprobs('The cat sat on')
    expect(Math.exp(data[data.length - edited.config.vocabSize + 77]!)).toBeGreaterThan(0.3)
    await edited.close()
    const wrong = { layer: 0, subject: 0, texts }
    await expect(rome(model, prompt, object, { ...wrong, layer: 9 })).rejects.toThrow(/rome: layer must be from 0 to 1, got 9/)
    await expect(rome(model, prompt, object, { ...wrong, subject: 99 })).rejects.toThrow(
      /rome: subject must be from 0 to \d+, a place in the prompt, got 99/,
    )
    await expect(rome(model, prompt, object, { ...wrong, layer: 1 })).rejects.toThrow(
      /rome: what the MLP writes at the subject must reach the object, got a slope of 0 at blocks.1.mlp.out; take an earlier block/,
    )
    const fact = { prompt: 'The cat sat on', subject: 'cat', object: ' down' }
    const { row, position } = factOf(model, fact)
    expect(model.tokenizer.decode(row.ids.slice(0, position + 1))).toMatch(/The cat$/)
    expect(model.tokenizer.decode(row.ids.slice(row.from))).toMatch(/down$/)
    expect(() => factOf(model, { ...fact, subject: 'dog' })).toThrow(
      /rome: subject must be words of the prompt, got "dog" and "The cat sat on"/,
    )
    expect(() => factOf(model, { ...fact, object: '' })).toThrow(/rome: object must have tokens of its own/)
    await expect(rome(model, prompt, object, { ...wrong, texts: [] })).rejects.toThrow(/rome: there must be texts/)
  } finally {
    await model.close()
    await rm(folder, { recursive: true, force: true })
  }
})
