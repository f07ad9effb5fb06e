import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { loadProbes, probeFor, readProbe, saveProbes } from '../goals/index.ts'
import { type Model, openModel, pooled } from '../policy/index.ts'
import { random } from '../random/index.ts'
import { activationsOf } from './activations.ts'
import { labelled, readLabelledTexts } from './labelled-texts.ts'
import { scoresOf } from './linear.ts'
import type { ProbeTask } from './probe.ts'
import { probe } from './probe.ts'
import { probesOf, readProbes } from './probes.ts'

let model: Model
const folder = mkdtempSync(join(tmpdir(), 'innate-probes-'))
beforeAll(async () => {
  model = await openModel('fixtures/llama-tiny')
})
afterAll(async () => {
  await model.close()
  rmSync(folder, { recursive: true })
})

const words = 'fox bird moon river song home sun friend'.split(' ')
/** Texts whose last word says their label. */
const rows = Array.from({ length: 96 }, (_, i) => {
  const label = i % 2 ? 'sang' : 'ate'
  const said = random(i, 'words').shuffled(words).slice(0, 4).join(' ')
  return { text: `${said} ${i} ${label}`, label }
})

describe('probes of a model', () => {
  it.each(['logistic', 'ridge', 'mass-mean', 'k-sparse'] as const)(
    '%s: what the last word says is read, and no control task',
    async (kind) => {
      const texts = labelled('rows', rows)
      const { readings, train, heldOut } = await readProbes(model, texts, 'blocks.*.out', { kind, k: 4 })
      expect(readings.map(({ tap, layer }) => [tap, layer])).toEqual([
        ['blocks.0.out', 0],
        ['blocks.1.out', 1],
      ])
      expect([train + heldOut, heldOut]).toEqual([96, 28])
      for (const { accuracy, control, selectivity, areas } of readings) {
        expect(accuracy).toMatchObject({ n: 28, unit: 'share' })
        expect(accuracy.estimate).toBeGreaterThan(0.75)
        expect(selectivity.estimate).toBeCloseTo(accuracy.estimate - control.estimate, 12)
        expect(accuracy.low).toBeGreaterThan(0.5)
        expect(control.estimate).toBeLessThan(0.8)
        expect(areas !== undefined).toBe(kind === 'k-sparse')
        if (areas) expect(areas.chosen.estimate).toBeGreaterThan(areas.shuffled.estimate)
      }
    },
  )

  it('saved and read again, a probe says of a text what it said', async () => {
    const texts = labelled('rows', rows)
    const found = await readProbes(model, texts, 'blocks.*.out', { pool: 'mean' })
    const file = join(folder, 'probes.json')
    await saveProbes(file, probesOf(found, texts, { pool: 'mean', model: { name: 'tiny', sha256: 'ab' } }))
    const probes = await loadProbes(file)
    expect(() => probeFor('here', probes, { label: 'ate' })).toThrow('here: tap must be one of blocks.0.out, blocks.1.out, got none')
    expect(() => probeFor('here', probes, { tap: 'blocks.1.out', label: 'eats' })).toThrow('here: label must be one of ate, sang, got eats')
    const chosen = probeFor('here', probes, { tap: 'blocks.1.out', label: 'ate' })
    const said = texts.texts.slice(0, 6)
    const vectors = await pooled(
      model.policy,
      said.map((text) => model.tokenizer.encode(text)),
      ['blocks.1.out'],
      'mean',
    )
    const wanted = scoresOf(found.readings[1]!.probe, activationsOf(vectors['blocks.1.out']!)).map(([score]) => -score!)
    const reader = { policy: model.policy, tokenizer: model.tokenizer }
    expectClose(await readProbe(reader, said, { ...chosen, pool: 'mean' }), wanted, tolerances.packed)
    writeFileSync(file, JSON.stringify({ ...probes, labels: ['a', 'b', 'c'] }))
    await expect(loadProbes(file)).rejects.toThrow('3 weight rows of one width and 3 biases expected for 3 labels, got 1 and 1')
    writeFileSync(file, JSON.stringify({ ...probes, more: 1 }))
    await expect(loadProbes(file)).rejects.toThrow('more')
  })
})

describe('one probe', () => {
  /** Noise in ten columns, and the label in the first. */
  const x = { dtype: 'f32' as const, shape: [200, 10], data: Float32Array.from(random(3, 'noise').normals(2000)) }
  const labels = Array.from({ length: 200 }, (_, i) => i % 2)
  const parts = { train: labels.flatMap((_, i) => (i < 120 ? [i] : [])), heldOut: labels.flatMap((_, i) => (i < 120 ? [] : [[i]])) }
  const task: ProbeTask = { labels, classes: 2, parts, types: labels.map((_, i) => String(i)) }

  it('of noise is at chance, within its interval, and so is what k-sparse chooses of it', () => {
    const { accuracy, selectivity, areas } = probe(x, task, { kind: 'k-sparse', k: 3 })
    expect(accuracy.low).toBeLessThan(0.5)
    expect(accuracy.high).toBeGreaterThan(0.5)
    expect(selectivity.low).toBeLessThan(0)
    for (const { low, high } of Object.values(areas!)) expect([low < 0.5, high > 0.5]).toEqual([true, true])
  })

  it('k-sparse finds the neuron that knows, and random ones do not', () => {
    const planted = { ...x, data: x.data.map((value, i) => (i % 10 === 7 ? value + 3 * (Math.floor(i / 10) % 2) : value)) }
    const { probe: found, areas } = probe(planted, task, { kind: 'k-sparse', k: 1 })
    expect([...found.weight[0]!].flatMap((w, k) => (w === 0 ? [] : [k]))).toEqual([7])
    expect(areas!.chosen.low).toBeGreaterThan(areas!.shuffled.estimate)
    expect(() => probe(x, task, { kind: 'k-sparse', k: 11 })).toThrow('k-sparse: k must be at most the 10 neurons of the tap, got 11')
    expect(() => probe(x, { ...task, classes: 3 }, { kind: 'k-sparse' })).toThrow('must have two classes, got 3')
  })

  it('that remembers types has no selectivity', () => {
    // A column for each of ten types, which also decides the label: real and control task are as easy.
    const types = labels.map((_, i) => String(Math.floor(i / 2) % 10))
    const oneHot = { ...x, data: Float32Array.from({ length: 2000 }, (_, i) => Number(types[Math.floor(i / 10)] === String(i % 10))) }
    const byType = types.map((type) => Number(type) % 2)
    const { accuracy, control, selectivity } = probe(oneHot, { ...task, labels: byType, types })
    expect([accuracy.estimate, control.estimate, selectivity.estimate]).toEqual([1, 1, 0])
  })
})

describe('labelled texts', () => {
  it.each([
    ['{"text":"a","label":1}\n{"text":"b","label":1}\n', 'must have rows of at least two labels, got 2 rows of 1 alone'],
    ['', 'must have rows of at least two labels, got no row'],
    ['{"text":"a"}\n', ':1: must be a JSON object with text and label'],
    ['{"text":"","label":true}\n', ':1: text must have at least one character'],
    ['{"text":3,"label":true}\n', ':1: must be a JSON object with text and label'],
  ])('%j: %s', async (text, message) => {
    const file = join(folder, 'rows.jsonl')
    writeFileSync(file, text)
    await expect(readLabelledTexts(file)).rejects.toThrow(message)
  })

  it('labels of several kinds have an order', async () => {
    const file = join(folder, 'rows.jsonl')
    writeFileSync(file, '{"text":"a","label":10}\n{"text":"b","label":9}\n{"text":"c","label":10}\n')
    expect(await readLabelledTexts(file)).toEqual({ texts: ['a', 'b', 'c'], labels: [1, 0, 1], names: ['9', '10'] })
  })
})
