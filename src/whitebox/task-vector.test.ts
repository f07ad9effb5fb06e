import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { diffEdits, loadCheckpoint, saveAdapters, writeEdit } from '../checkpoints/index.ts'
import { isTensor, leaves, type Tensor, tensor } from '../graph/index.ts'
import { random } from '../random/index.ts'
import { lowRank } from './low-rank.ts'
import { mergeModels } from './merge/run.ts'
import { extractAdapter, taskVector } from './task-vector.ts'

const fixtures = join(import.meta.dirname, '../../fixtures/merge')
const place = (name: string) => join(fixtures, name)
const [base, a, b] = await Promise.all(['base', 'a', 'b'].map((name) => loadCheckpoint(place(name))))
const weights = (model: typeof base) => new Map(leaves(model!.params, isTensor))

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-task-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function under(...edits: readonly ReturnType<typeof taskVector>[]) {
  const files = edits.map((_, i) => join(folder, `${i}.safetensors`))
  for (const [i, edit] of edits.entries()) await writeEdit(files[i]!, edit)
  return weights(await loadCheckpoint(place('base'), { edit: files }))
}

describe('a task vector', () => {
  it('gives the tuned model back bit for bit, through its file', async () => {
    const edited = await under(taskVector(base!, a!, { name: 'a' }))
    for (const [path, { data }] of weights(a!)) expect(edited.get(path)!.data, path).toEqual(data)
  })

  it('does so too where base and tuned are far apart, which one f32 difference cannot', () => {
    const rng = random(3, 'far apart')
    const n = 5000
    const power = (place: number) => rng.integers(n, 60, place)
    const far = (place: number) => {
      const [x, p] = [rng.normals(n, place), power(place)]
      return Float32Array.from(x, (z, i) => z * 2 ** (p[i]! - 40))
    }
    const [from, to] = [tensor(far(0), [n]), tensor(far(1), [n])]
    const model = (norm: Tensor) => ({ ...base!, params: { ...base!.params, norm } })
    const { acts, tensors } = taskVector(model(from), model(to), { name: 'far' })
    expect(acts.length).toBe(2)
    let now = from.data as Float32Array
    for (const act of acts) if (act.kind === 'delta') now = Float32Array.from(now, (x, i) => x + tensors[act.weights.norm!]!.data[i]!)
    expect(now.every((x, i) => x === to.data[i])).toBe(true)
    // The control: the first act alone does not.
    expect(Float32Array.from(from.data, (x, i) => x + tensors.norm!.data[i]!).every((x, i) => x === to.data[i])).toBe(false)
  })

  it('is taken away at scale -1, and by analogy added to another', async () => {
    const [t, u] = [taskVector(base!, a!, { name: 'a', scale: -1 }), taskVector(base!, b!, { name: 'b', scale: 0.5 })]
    const edited = await under(t, u)
    const [of, ofA, ofB] = [base, a, b].map(weights)
    for (const [path, { shape, data }] of of!) {
      const wanted = Float32Array.from(data, (x, i) => x - (ofA!.get(path)!.data[i]! - x) + 0.5 * (ofB!.get(path)!.data[i]! - x))
      expectClose(edited.get(path)!, { shape, data: wanted }, tolerances.update, path)
    }
  })

  it('has a cosine with another, that of itself 1, of its negation -1', () => {
    const edit = taskVector(base!, a!, { name: 'a' })
    const cosine = (other: typeof edit) => diffEdits(edit, other)[0]?.cosine
    expect(cosine({ ...taskVector(base!, a!, { name: 'a', scale: 2 }) })).toBeCloseTo(1, 12)
    expect(cosine(taskVector(base!, a!, { name: 'a', scale: -1 }))).toBeCloseTo(-1, 12)
    expect(Math.abs(cosine(taskVector(base!, b!, { name: 'b' }))!)).toBeLessThan(0.9)
  })

  it('is refused between models of two shapes, and of one model with itself', async () => {
    const other = await loadCheckpoint(place('c'))
    expect(() => taskVector(base!, other, { name: 'x' })).toThrow(/must be tuned from base, vocabSize 64, got a model of vocabSize 68/)
    expect(() => taskVector(base!, base!, { name: 'x' })).toThrow(/must differ from base to make a task vector/)
  })
})

describe('an adapter', () => {
  it('of full rank gives all linear layers back, through PEFT files and a merge', async () => {
    const found = extractAdapter(base!, a!, { rank: 8 })
    expect(found.lost).toBe(0)
    expect(found.outside).toBeGreaterThan(0)
    await saveAdapters(join(folder, 'adapter'), found.adapters, base!)
    await writeFile(join(folder, 'merge.yml'), `merge_method: passthrough\nmodels: [{model: "${resolve(place('base'))}+adapter"}]\n`)
    await mergeModels(join(folder, 'merge.yml'), join(folder, 'merged'))
    const [merged, wanted, before] = [weights(await loadCheckpoint(join(folder, 'merged'))), weights(a!), weights(base!)]
    for (const [path, value] of merged)
      expectClose(value, found.adapters.layers[path] ? wanted.get(path)! : before.get(path)!, tolerances.update, path)
  })

  it('of a lower rank loses what the smaller singular values are, and refuses a rank that no layer has', () => {
    const lost = [1, 2, 4].map((rank) => extractAdapter(base!, a!, { rank }).lost)
    expect(lost[0]).toBeGreaterThan(lost[1]!)
    expect(lost[1]).toBeGreaterThan(lost[2]!)
    expect(() => extractAdapter(base!, a!, { rank: 9 })).toThrow(/must be at most 8/)
  })

  it.each([
    [30, 50],
    [50, 30],
  ] as const)('low rank of a matrix %i by %i whose singular values are known', (rows, columns) => {
    // biome-ignore format: one line
    const [u, v] = [frame(rows, 4, 1), frame(columns, 4, 2)]
    const values = [10, 3, 1, 0.5]
    const delta = new Float64Array(rows * columns)
    for (const [k, s] of values.entries())
      for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) delta[r * columns + c]! += s * u[k]![r]! * v[k]![c]!
    const { a, b, lost } = lowRank(delta, [rows, columns], 2)
    expect(lost).toBeCloseTo(1 + 0.25, 9)
    const product = delta.map((_, i) => [0, 1].reduce((sum, k) => sum + b[Math.floor(i / columns) * 2 + k]! * a[k * columns + (i % columns)]!, 0)) // biome-ignore format: one line
    const left = product.reduce((sum, x, i) => sum + (x - delta[i]!) ** 2, 0)
    expect(left).toBeCloseTo(1.25, 4)
  })
})

/** Orthonormal vectors: columns of a cosine transform. */
function frame(n: number, count: number, shift: number): number[][] {
  return Array.from({ length: count }, (_, k) =>
    Array.from({ length: n }, (_, i) => Math.sqrt(2 / n) * Math.cos((Math.PI * (i + 0.5) * (k + shift)) / n)),
  )
}
