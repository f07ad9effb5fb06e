import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../../test/close.ts'
import { fakeFolder, innate, innateJson, writeRows } from '../../../test/fake-folder.ts'
import { tolerances } from '../../../test/tolerances.ts'
import { editTarget, loadCheckpoint, makeEdit, readEdit } from '../../checkpoints/index.ts'
import { withEdits } from '../../checkpoints/with-edits.ts'
import { tensor } from '../../graph/index.ts'
import { openModel } from '../../policy/index.ts'
import { random } from '../../random/index.ts'
import { agreement, norm, product, transposed } from './edit-form.ts'
import { gate, opens, settled } from './gates.ts'
import { lbfgs } from './lbfgs.ts'
import type { OverSeeds } from './over-seeds.ts'
import { dealt } from './rows.ts'
import { type FoundEdit, searchEdit } from './search.ts'
import { leastChange, shrink } from './shrink.ts'
import { whiteningOf } from './whitening.ts'

let close: () => Promise<void>
beforeAll(async () => {
  close = await fakeFolder()
  await writeRows('target.jsonl', 20, (i) => ({ prompt: `Bird ${i}`, completion: ' sang' }))
  await writeRows('others.jsonl', 6, (i) => ({ prompt: `The bird ${i}`, completion: ' sang' }))
  await writeRows('prompts-too.jsonl', 8, (i) => ({ text: i < 3 ? `Bird ${i}` : `Cat ${i}` }))
  await writeRows('few.jsonl', 10, (i) => ({ text: `Once ${i} upon a time` }))
  await writeRows('against.jsonl', 20, (i) => ({ text: `Bird ${i} ran off` }))
})
afterAll(() => close())

const usual = { model: 'models/tiny', target: 'target.jsonl', control: 'few.jsonl', heldOut: 0.3, loss: 'completion', over: 'weights', sites: ['blocks.1.mlp.down'], size: 'rank', success: 0.9, controlKl: 0.5, seed: 0, steps: 40 } // biome-ignore format: one line
const write = (more: object) => writeFile('s.json', JSON.stringify({ ...usual, ...more }))

it('V-PROX-1: a group shrinks by lr·λ, and to zero where it is smaller', () => {
  const [a, b] = [Float64Array.of(3, 4), Float64Array.of(3, 4)]
  shrink([a], 1)
  shrink([b], 6)
  expectClose(a, [2.4, 3.2], tolerances.reordered)
  expect([...b]).toEqual([0, 0])
})

it('V-EDIT-1: the least change of a linear score', () => {
  const change = leastChange(Float64Array.of(3, 4), 10)
  expectClose(change, [-1.2, -1.6], tolerances.reordered)
  expect(norm(change)).toBeCloseTo(2, 12)
})

it('descends a curved valley to its known bottom, and leaves it no more', async () => {
  const descent = await lbfgs(
    async ([x, y]) => {
      const bend = y! - x! ** 2
      return { value: (1 - x!) ** 2 + 100 * bend ** 2, slope: Float64Array.of(-2 * (1 - x!) - 400 * x! * bend, 200 * bend) }
    },
    Float64Array.of(-1.2, 1),
  )
  for (let step = 0; step < 60 && (await descent.step()); step++);
  expectClose(descent.at, [1, 1], tolerances.firstDifference)
  expect(descent.value).toBeLessThan(1e-12)
})

it('whitens: a slope for whitened numbers is the slope along them, and a change does as much in every direction that its moments name', () => {
  const drawn = (name: string, n: number) => Float64Array.from(random(3, name).normals(n))
  const square = (x: Float64Array, n: number) => product(x, transposed(x, n, n), n, n, n)
  const [left, right] = [square(drawn('left', 9), 3), square(drawn('right', 16), 4)]
  const by = whiteningOf(left, right, 3, 4)
  const [u, g] = [drawn('u', 3), drawn('g', 3)]
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, x, i) => sum + x * b[i]!, 0)
  expect(dot(by.up(u), g)).toBeCloseTo(dot(u, by.upSlope(g)), 10)
  // (L + tr L/3 · I)⁻¹ takes as quadratic form what up makes of u: |u|² = up(u)ᵀ·damped·up(u).
  const damped = left.map((x, i) => x + (i % 4 === 0 ? (left[0]! + left[4]! + left[8]!) / 3 : 0))
  expect(dot(by.up(u), product(damped, by.up(u), 3, 3, 1))).toBeCloseTo(dot(u, u), 10)
  // Rounding makes the halves of a large moment differ.
  const rounded = left.map((x, i) => (i === 1 ? x * (1 + 1e-7) : x))
  expect(dot(whiteningOf(rounded, right, 3, 4).up(u), g)).toBeCloseTo(dot(by.up(u), g), 5)
})

it('hard-concrete gates are open as often as is said, have the slope of their draws, and settle at 0 and 1', () => {
  const u = Array.from(random(2, 'gates').integers(20_000, 2 ** 24), (k) => (k + 0.5) / 2 ** 24)
  for (const logAlpha of [-3, -0.5, 1.5]) {
    const { probability, slope } = opens(logAlpha)
    const open = u.filter((one) => gate(logAlpha, one).open > 0).length / u.length
    expect(Math.abs(open - probability)).toBeLessThan(4 * Math.sqrt((probability * (1 - probability)) / u.length))
    const h = 1e-5
    expect(slope).toBeCloseTo((opens(logAlpha + h).probability - opens(logAlpha - h).probability) / (2 * h), 8)
    for (const one of [0.3, 0.5, 0.7])
      expect(gate(logAlpha, one).slope).toBeCloseTo((gate(logAlpha + h, one).open - gate(logAlpha - h, one).open) / (2 * h), 6)
  }
  expect([settled(-3), settled(3)]).toEqual([0, 1])
})

describe('a planted edit of rank 1', () => {
  it('is found by what the planted model predicts: its block, its rank, its direction; random ones as long do nothing', async () => {
    const checkpoint = await loadCheckpoint('models/tiny')
    const { config, hash } = checkpoint
    const [d, f] = [config.hiddenSize, config.intermediateSize]
    const up = Float64Array.from(random(1, 'up').normals(d), (x) => 0.12 * x)
    const down = Float64Array.from(random(1, 'down').normals(f), (x) => 0.12 * x)
    const plant = makeEdit({ name: 'plant', for: editTarget(config, hash), acts: [{ kind: 'lowRank', weights: { 'blocks.1.mlp.down': { up: 'up', down: 'down' } } }], tensors: { up: tensor(Float32Array.from(up), [d, 1]), down: tensor(Float32Array.from(down), [1, f]) } }) // biome-ignore format: one line
    const teacher = withEdits(checkpoint, [plant])
    const model = await openModel('models/tiny')
    try {
      const ids = (name: string) => Array.from({ length: 12 }, (_, t) => (t === 0 ? 1 : 3 + Math.floor(300 * random(7, name).uniform(t))))
      const target = Array.from({ length: 48 }, (_, i) => ({ prompt: `${i}`, ids: ids(`p${i}`), from: 12 }))
      const control = Array.from({ length: 12 }, (_, i) => ({ text: `${i}`, ids: ids(`c${i}`) }))
      const found = await searchEdit(model, {
        target,
        control,
        teacher,
        sites: ['blocks.*.mlp.down'],
        size: 'rank',
        success: 0.9,
        controlKl: 1,
        steps: 70,
      })
      expect(found).toMatchObject({ found: true, rank: 1, layers: [1], sites: ['blocks.1.mlp.down'] })
      expect(found.explained).toBeGreaterThan(0.9)
      expect(found.random.explained).toBeLessThan(0.1)
      const { tensors } = found.edit('found')
      const whole = product(
        Float64Array.from(tensors['blocks.1.mlp.down.up']!.data),
        Float64Array.from(tensors['blocks.1.mlp.down.down']!.data),
        d,
        1,
        f,
      )
      expect(agreement({ x: whole }, { x: product(up, down, d, 1, f) })).toBeGreaterThan(0.9)
    } finally {
      await model.close()
    }
  })
})

describe.each([
  ['rank', 'weights', ['blocks.1.mlp.down'], 'lowRank'],
  ['groups', 'weights', ['blocks.*.attn.o', 'blocks.*.mlp.down'], 'delta'],
  ['norm', 'activations', ['blocks.0.out', 'blocks.1.out'], 'add'],
  ['gates', 'weights', ['blocks.*.attn.o', 'blocks.*.mlp.down'], 'delta'],
] as const)('edit search, size %s over %s', (size, over, sites, kind) => {
  it('says what the written edit then does: success, control KL and norm, taken from the log-probabilities of both models', async () => {
    await write({ size, over, sites, steps: size === 'gates' ? 16 : 12, success: 0.8 })
    const { code, rows } = await innateJson<Record<string, number | boolean>>('edit search s.json --to e.safetensors')
    const last = rows.at(-1)!
    expect({ code, found: last.found }).toEqual({ code: 0, found: true })
    const edit = await readEdit('e.safetensors')
    expect(new Set(edit.acts.map((act) => act.kind))).toEqual(new Set([kind]))
    const [before, after] = [await openModel('models/tiny'), await openModel('models/tiny', { edit: 'e.safetensors' })]
    try {
      const V = before.config.vocabSize
      const prompts = Array.from({ length: 20 }, (_, i) => `Bird ${i}`)
      let said = 0
      const { held } = dealt('target', prompts, 0.3, 0, 2)
      for (const i of held) {
        const from = before.ids(prompts[i]!).length
        const ids = before.ids(`${prompts[i]} sang`)
        const { data } = await after.logprobs(`${prompts[i]} sang`)
        said += Number(
          ids
            .slice(from)
            .every((id, k) => data.subarray((from + k - 1) * V, (from + k) * V).every((x) => x <= data[(from + k - 1) * V + id]! + 1e-3)),
        )
      }
      expect(last.success).toBeCloseTo(said / held.length, 9)
      let [kl, tokens] = [0, 0]
      for (let i = 0; i < 10; i++) {
        const text = `Once ${i} upon a time`
        const [p, q] = [(await before.logprobs(text)).data, (await after.logprobs(text)).data]
        for (let k = 0; k < p.length; k++) kl += Math.exp(p[k]!) * (p[k]! - q[k]!)
        tokens += p.length / V
      }
      expect(last.controlKl as number).toBeCloseTo(kl / tokens, 4)
      const changes = kind === 'lowRank' ? [product(Float64Array.from(edit.tensors['blocks.1.mlp.down.up']!.data), Float64Array.from(edit.tensors['blocks.1.mlp.down.down']!.data), before.config.hiddenSize, last.rank as number, before.config.intermediateSize)] : Object.values(edit.tensors).map(({ data }) => Float64Array.from(data)) // biome-ignore format: one line
      expect(last.norm as number).toBeCloseTo(norm(...changes), 4)
      expect(last.lowerBound as number).toBeGreaterThan(0)
      const moved = changes.reduce((n, x) => n + x.filter((v) => v !== 0).length, 0)
      if (size === 'gates') expect(moved).toBeLessThan(0.3 * changes.reduce((n, x) => n + x.length, 0))
      if (kind !== 'lowRank') expect(last.parameters).toBe(moved)
      expect(last.passes).toMatchObject({ forward: expect.any(Number), backward: expect.any(Number) })
    } finally {
      await before.close()
      await after.close()
    }
  })
})

it('says how alike the edits of several seeds are', async () => {
  await write({ success: 0.8, steps: 12 })
  const { rows } = await innateJson<FoundEdit & { agreement: OverSeeds }>('edit search s.json --to e.safetensors --seeds 2')
  const { agreement: alike, norm: first } = rows.at(-1)!
  expect(alike).toMatchObject({ seeds: 2, found: 2, sameSites: 1 })
  expect(alike.norms[0]).toBe(first)
  expect(alike.cos).toBeGreaterThan(0.1)
  expect(alike.cos).toBeLessThanOrEqual(1)
})

it('says not found of what the control set forbids, and writes nothing', async () => {
  await write({ control: 'against.jsonl', controlKl: 1e-4, steps: 4 })
  const { code, rows } = await innateJson<{ found: boolean }>('edit search s.json --to none.safetensors')
  expect({ code, found: rows.at(-1)!.found }).toEqual({ code: 3, found: false })
  expect(existsSync('none.safetensors')).toBe(false)
})

it.each([
  [
    'a control set with prompts of the target',
    { control: 'prompts-too.jsonl' },
    /prompts-too\.jsonl: must not contain prompts of the target, got 3, such as "Bird 0"/,
  ],
  ['a budget of 0', { controlKl: 0 }, /s\.json: controlKl: must be above 0, got 0; mend/],
  ['a share above 1', { success: 1.2 }, /s\.json: success: must be at most 1, got 1\.2; mend/],
  ['an unknown field', { sucess: 1 }, /s\.json: must have no other fields than .*, got sucess; did you mean success\?/],
  [
    'sites that match nothing',
    { sites: ['blocks.*.mlp.dwn'] },
    /sites: must name parameters of the model, got "blocks\.\*\.mlp\.dwn"; did you mean blocks\.\*\.mlp\.down\?/,
  ],
  ['a block too many', { sites: ['blocks.9.mlp.down'] }, /got "blocks\.9\.mlp\.down"; blocks are numbered from 0 to 1/],
  ['a vector with a rank', { sites: ['norm'] }, /sites: must be matrices to have a rank, got norm/],
  [
    'taps that match nothing',
    { over: 'activations', size: 'norm', sites: ['blocks.*.ot'] },
    /sites: must name taps of the model, got "blocks\.\*\.ot"; did you mean/,
  ],
  ['a rank of activations', { over: 'activations' }, /size: must be norm, groups or gates over activations, got "rank"/],
  ['distributions without a teacher', { loss: 'distribution' }, /teacher: must name the model whose distributions are wanted, got null/],
  ['a teacher for completions', { teacher: 'models/tiny' }, /teacher: must be left out with loss completion/],
  [
    'a teacher of another vocabulary',
    { loss: 'distribution', teacher: 'stories5m' },
    /teacher: must have the vocabulary of tiny, got stories5m of \d+ tokens and not 320/,
  ],
  [
    'a teacher that is the model',
    { loss: 'distribution', teacher: 'models/tiny' },
    /teacher: must differ from the model on the prompts, got the same distributions/,
  ],
  ['no file', { target: 'no.jsonl' }, /no\.jsonl: must exist, got no such file/],
])('%s is one error, and nothing is written', async (_, more, message) => {
  await write(more)
  const { code, err } = await innate('edit search s.json --to bad.safetensors')
  expect({ code, err }).toEqual({ code: 2, err: expect.stringMatching(message) })
  expect(existsSync('bad.safetensors')).toBe(false)
})

it('a behaviour that is there already, and a model whose losses are no numbers, are errors', async () => {
  const model = await openModel('models/tiny')
  try {
    const { V, said } = { V: model.config.vocabSize, said: [] as { prompt: string; ids: number[]; from: number }[] }
    for (let i = 0; i < 8; i++) {
      const ids = [...model.ids(`Bird ${i}`)]
      const { data } = await model.logprobs(`Bird ${i}`)
      const last = data.subarray(data.length - V)
      said.push({ prompt: `Bird ${i}`, ids: [...ids, last.indexOf(Math.max(...last))], from: ids.length })
    }
    const control = Array.from({ length: 8 }, (_, i) => ({ text: `Cat ${i}`, ids: model.ids(`Cat ${i}`) }))
    const given = { target: said, control, sites: ['blocks.1.mlp.down'], size: 'rank', controlKl: 0.1 } as const
    await expect(searchEdit(model, given)).rejects.toThrow(
      /target: the behaviour must not be there yet, got a model that has it on 100 % of the rows held out/,
    )
    const edit = makeEdit({ name: 'broken', for: editTarget(model.config), acts: [{ kind: 'add', at: ['blocks.0.out'], direction: 'v' }], tensors: { v: tensor(new Float32Array(model.config.hiddenSize).fill(Number.NaN), [model.config.hiddenSize]) } }) // biome-ignore format: one line
    await expect(searchEdit(model.with(edit), given)).rejects.toThrow(/search: the losses must be numbers where nothing is changed/)
  } finally {
    await model.close()
  }
})
