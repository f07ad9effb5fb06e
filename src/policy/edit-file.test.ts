import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { expectTeacherForced } from '../../test/teacher-forced.ts'
import { tolerances } from '../../test/tolerances.ts'
import {
  type Checkpoint,
  type EditFile,
  editTarget,
  joinEdits,
  loadCheckpoint,
  makeEdit,
  type NewEdit,
  readEdit,
  readSafetensors,
  residualStream,
  saveCheckpoint,
  withEdits,
  writeEdit,
} from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { concat, slice, tensor, UserError } from '../graph/index.ts'
import { families } from '../models/families/index.ts'
import { random } from '../random/index.ts'
import { edited } from './edit.ts'
import { openModel } from './open-model.ts'
import { openPolicy, type Policy } from './policy.ts'
import { sampleCompletions } from './sample.ts'
import { decoderOnnx, saveOnnx } from './save-onnx.ts'
import { scoreTrees } from './score.ts'

const engine = openEngine({ threads: 1 })
let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'innate-edit-file-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
  await engine.close()
})

const normals = (seed: string, shape: readonly number[], size = 0.3) =>
  tensor(
    Float32Array.from(random(7, seed).normals(shape.reduce((a, b) => a * b, 1)), (x) => size * x),
    shape,
  )
const editFor = ({ config, hash }: Checkpoint, edit: Omit<NewEdit, 'for'>) => makeEdit({ ...edit, for: editTarget(config, hash) })
const under = (checkpoint: Checkpoint, ...edits: EditFile[]): Promise<Policy> => openPolicy(engine, withEdits(checkpoint, edits))

describe('what acts do to activations is what hooks of transformers do', async () => {
  const golden = JSON.parse(await readFile('fixtures/edits/golden.json', 'utf8')) as {
    prompt: number[]
    completion: number[]
    acts: Record<string, NewEdit['acts'][number]>
    families: Record<string, Record<string, number[]>>
  }
  const given = await readSafetensors('fixtures/edits/golden.safetensors')

  it.each(Object.keys(golden.families))('%s', async (family) => {
    const checkpoint = await loadCheckpoint(`fixtures/family-${family}`)
    const wanted = golden.families[family]!
    const trees = golden.completion.map((_, k) => ({ prompt: golden.prompt, completions: [golden.completion.slice(0, k + 1)] }))
    for (const [name, act] of Object.entries(golden.acts)) {
      const used = Object.values(act).filter((value) => given.has(`${family}.${value}`)) as string[]
      const tensors = Object.fromEntries(used.map((key) => [key, given.get(`${family}.${key}`)!]))
      const sums = await scoreTrees(await under(checkpoint, editFor(checkpoint, { name, acts: [act], tensors })), trees)
      const each = sums.map((sum, k) => sum - (sums[k - 1] ?? 0))
      expectClose(each, wanted[name]!, tolerances.families, name)
      expect(wanted[name]!.some((logp, k) => Math.abs(logp - wanted.plain![k]!) > 0.01)).toBe(true)
    }
  })
})

describe('every kind of edit', async () => {
  const checkpoint = await loadCheckpoint('fixtures/llama-tiny')
  const d = checkpoint.config.hiddenSize
  const vectors = { v: normals('v', [d], 1), rows: normals('rows', [3, d], 1), read: normals('read', [2, d]), write: normals('write', [d, 2]), mean: normals('mean', [d]) } // biome-ignore format: one line
  const { headDim } = checkpoint.config
  const ofHead = { h: normals('h', [headDim], 1), hs: normals('hs', [3, headDim], 1), hread: normals('hread', [2, headDim]), hwrite: normals('hwrite', [headDim, 2]) } // biome-ignore format: one line
  const low = { up: normals('up', [d, 2]), down: normals('down', [2, d]) }
  const whole = { t: normals('t', [d, d], 0.1) }
  const at = ['blocks.0.out', 'blocks.1.mid']
  const edits: Omit<NewEdit, 'for'>[] = [
    { name: 'add', acts: [{ kind: 'add', at, direction: 'v', strength: -2 }], tensors: { v: vectors.v } },
    { name: 'add rows', acts: [{ kind: 'add', at, direction: 'rows', positions: { from: 1, to: 9 } }], tensors: { rows: vectors.rows } },
    { name: 'add in the prompt', acts: [{ kind: 'add', at, direction: 'v', positions: 'prompt' }], tensors: { v: vectors.v } },
    { name: 'add in the completion', acts: [{ kind: 'add', at, direction: 'v', positions: 'completion' }], tensors: { v: vectors.v } },
    {
      name: 'ablate',
      acts: [{ kind: 'ablate', at: ['embed', 'blocks.*.mid', 'blocks.*.out'], direction: 'v' }],
      tensors: { v: vectors.v },
    },
    { name: 'clamp', acts: [{ kind: 'clamp', at, direction: 'v', value: 4 }], tensors: { v: vectors.v } },
    {
      name: 'patch',
      acts: [{ kind: 'patch', at: ['blocks.0.mid'], value: 'v', positions: { from: 3, to: 8 } }],
      tensors: { v: vectors.v },
    },
    { name: 'affine', acts: [{ kind: 'affine', at, read: 'read', write: 'write', mean: 'mean', positions: 'completion' }], tensors: { read: vectors.read, write: vectors.write, mean: vectors.mean } }, // biome-ignore format: one line
    {
      name: 'ablate in heads',
      acts: [{ kind: 'ablate', at: ['blocks.*.attn.z'], direction: 'h', heads: [1, 2] }],
      tensors: { h: ofHead.h },
    },
    { name: 'patch rows of heads', acts: [{ kind: 'patch', at: ['blocks.0.attn.z'], value: 'hs', heads: [0], positions: { from: 2, to: 12 } }], tensors: { hs: ofHead.hs } }, // biome-ignore format: one line
    { name: 'keys and values', acts: [{ kind: 'add', at: ['blocks.0.attn.k', 'blocks.0.attn.z'], direction: 'h', strength: 5, heads: [1] }, { kind: 'clamp', at: ['blocks.1.attn.v'], direction: 'h', value: 2, positions: 'prompt' }], tensors: { h: ofHead.h } }, // biome-ignore format: one line
    { name: 'affine in heads', acts: [{ kind: 'affine', at: ['blocks.1.attn.z'], read: 'hread', write: 'hwrite', mean: 'h', positions: 'completion' }], tensors: { h: ofHead.h, hread: ofHead.hread, hwrite: ofHead.hwrite } }, // biome-ignore format: one line
    { name: 'set', acts: [{ kind: 'set', weights: { 'blocks.0.attn.o': 't' } }], tensors: whole },
    { name: 'delta', acts: [{ kind: 'delta', weights: { 'blocks.0.attn.o': 't' }, scale: 3 }], tensors: whole },
    { name: 'lowRank', acts: [{ kind: 'lowRank', weights: { 'blocks.0.attn.o': { up: 'up', down: 'down' } } }], tensors: low },
    { name: 'two', acts: [{ kind: 'delta', weights: { 'blocks.0.attn.o': 't' } }, { kind: 'add', at: ['final'], direction: 'v' }], tensors: { ...whole, v: vectors.v } }, // biome-ignore format: one line
  ]
  const prompts = ['Once upon a time', 'The fox'].map((text) => checkpoint.tokenizer.encode(text))
  const plain = await openPolicy(engine, checkpoint)
  const pairs = prompts.map((prompt) => ({ prompt, completions: [checkpoint.tokenizer.encode(' there was a bird').slice(1)] }))
  const before = await scoreTrees(plain, pairs)

  it.each(edits)('$name: read back from a file it is the same, and logp of a sampled text is the sampler’s own', async (edit) => {
    const file = join(folder, `${edit.name}.safetensors`)
    await writeEdit(file, editFor(checkpoint, { ...edit, about: 'a test', made: { by: 'test', seed: 7 }, measured: [{ effect: 1 }] }))
    const policy = await openPolicy(engine, await loadCheckpoint('fixtures/llama-tiny', { edit: file }))
    const said = await sampleCompletions(policy, prompts, { seed: 4, maxTokens: 10, eosIds: [] })
    const got = said.flat().map(({ logps }) => logps.reduce((a, b) => a + b, 0))
    const scored = await scoreTrees(policy, prompts.map((prompt, i) => ({ prompt, completions: said[i]!.map(({ ids }) => ids) }))) // biome-ignore format: one line
    expectClose(got, scored, { ...tolerances.teacherForced, absolute: 10 * tolerances.teacherForced.absolute })
    // Where the prompt ends is part of an act, so only those that do not ask can be read token by token.
    if (edit.acts.every((act) => !('positions' in act) || typeof act.positions === 'object'))
      await expectTeacherForced(policy, prompts, said)
    expect((await scoreTrees(policy, pairs)).some((logp, i) => Math.abs(logp - before[i]!) > 1e-3)).toBe(true)
    const read = await readEdit(file)
    expect(read).toMatchObject({ name: edit.name, made: { by: 'test' }, measured: [{ effect: 1 }] })
    await writeEdit(`${file}.again`, read)
    expect(await readFile(`${file}.again`)).toEqual(await readFile(file))
  })

  it('several compose in their order, in one call or as one edit', async () => {
    const [set, delta, add] = ['set', 'delta', 'add'].map((name) => editFor(checkpoint, edits.find((edit) => edit.name === name)!)) as [EditFile, EditFile, EditFile] // biome-ignore format: one line
    const scores = async (...all: EditFile[]) => scoreTrees(await under(checkpoint, ...all), pairs)
    expect(await scores(joinEdits('all', [set, delta, add]))).toEqual(await scores(set, delta, add))
    expect(await scores(set, delta, add)).toEqual(await scores(add, set, delta))
    expect(await scores(set, delta)).not.toEqual(await scores(delta, set))
  })

  it('a folder that is saved under edits, and an ONNX file, hold them; a GGUF file refuses them by name', async () => {
    const edit = editFor(checkpoint, edits[0]!)
    const edited = withEdits(checkpoint, [edit])
    const saved = join(folder, 'saved')
    await saveCheckpoint(saved, edited)
    const loaded = await loadCheckpoint(saved)
    expect(loaded.edits).toMatchObject([{ name: 'add', sha256: edit.sha256 }])
    expect(loaded.params).toEqual(checkpoint.params)
    expect(await scoreTrees(await openPolicy(engine, loaded), pairs)).toEqual(await scoreTrees(await under(checkpoint, edit), pairs))
    // Weights that are written over it are no longer under them.
    await saveCheckpoint(saved, checkpoint)
    expect((await loadCheckpoint(saved)).edits).toBeUndefined()
    const bytes = (of: Checkpoint) => decoderOnnx('x', of.config, of.params).byteLength
    await saveOnnx(join(folder, 'onnx'), edited)
    expect((await readFile(join(folder, 'onnx/onnx/model.onnx'))).length).toBeGreaterThan(bytes(checkpoint))
    await expect(saveOnnx(join(folder, 'onnx'), withEdits(checkpoint, [editFor(checkpoint, edits[3]!)]))).rejects.toThrow(/onnx: an edit in a file must not ask where a completion begins/) // biome-ignore format: one line
  })

  it('openModel takes them, and refuses another model’s', async () => {
    const file = join(folder, 'clamp.safetensors')
    await writeEdit(file, editFor(checkpoint, edits[5]!))
    const model = await openModel('fixtures/llama-tiny', { edit: [file] })
    try {
      const { x } = await model.read('Once upon', { x: 'blocks.0.out' })
      const v = edits[5]!.tensors.v!.data as Float32Array
      const length = Math.sqrt(v.reduce((sum, a) => sum + a * a, 0))
      const along = Array.from({ length: x.shape[0]! }, (_, t) => v.reduce((sum, a, i) => sum + (a * x.data[t * d + i]!) / length, 0))
      expectClose(along, along.map(() => 4), tolerances.golden) // biome-ignore format: one line
    } finally {
      await model.close()
    }
    await expect(openModel('fixtures/llama-tiny-untied', { edit: file })).rejects.toThrow(/^clamp: an edit must be (made )?for the (weights|architecture) of llama-tiny-untied/) // biome-ignore format: one line
    await expect(openModel('fixtures/llama-tiny', { edit: 'fixtures/llama-tiny/model.safetensors' })).rejects.toThrow(/must be an edit, got a safetensors file without one in its header/) // biome-ignore format: one line
    expect(() => editFor(checkpoint, { name: 'bare', acts: [{ kind: 'add', at, direction: 'v' }], tensors: {} })).toThrow(UserError)
    expect(() => editFor(checkpoint, { name: 'strange', acts: [{ kind: 'twist', at }] as never, tensors: {} })).toThrow(/strange: acts\.0/)
  })
})

describe.each(['gemma2', 'gpt-neox', 'phi3', 'qwen3'])('heads of %s under an edit', (family) => {
  it('logp of a sampled text is the sampler’s own, and zeros in the place of a head are its ablation by a function', async () => {
    const checkpoint = await loadCheckpoint(`fixtures/family-${family}`)
    const { headDim, layers } = checkpoint.config
    const tensors = { h: normals('h', [headDim], 1), none: tensor(new Float32Array(headDim), [headDim]) }
    const heads = (kind: 'add' | 'patch', tap: string, value: string) => ({ kind, at: [`blocks.*.attn.${tap}`], [kind === 'add' ? 'direction' : 'value']: value, heads: [1] }) as NewEdit['acts'][number] // biome-ignore format: one line
    const both = editFor(checkpoint, { name: 'both', acts: [heads('add', 'v', 'h'), heads('patch', 'z', 'none')], tensors })
    const policy = await under(checkpoint, both)
    const prompts = [[1, 65, 12], [1, 42]] // biome-ignore format: one line
    const said = await sampleCompletions(policy, prompts, { seed: 4, maxTokens: 8, eosIds: [] })
    const scored = await scoreTrees(policy, prompts.map((prompt, i) => ({ prompt, completions: said[i]!.map(({ ids }) => ids) }))) // biome-ignore format: one line
    expectClose(said.flat().map(({ logps }) => logps.reduce((a, b) => a + b, 0)), scored, { ...tolerances.teacherForced, absolute: 8 * tolerances.teacherForced.absolute }) // biome-ignore format: one line
    await expectTeacherForced(policy, prompts, said)

    const trees = [{ prompt: prompts[0]!, completions: [[20, 59, 63]] }]
    const zeroed = edited(await openPolicy(engine, checkpoint), (_, x) => concat([0, 1, 2, 3].slice(0, x.shape[1]).map((head) => slice(x, 1, head, head + 1).mul(head === 1 ? 0 : 1)), 1), { at: `blocks.${layers - 1}.attn.z` }) // biome-ignore format: one line
    const file = editFor(checkpoint, { name: 'without', acts: [{ kind: 'patch', at: [`blocks.${layers - 1}.attn.z`], value: 'none', heads: [1] }], tensors: { none: tensors.none } }) // biome-ignore format: one line
    expectClose(await scoreTrees(await under(checkpoint, file), trees), await scoreTrees(zeroed, trees), tolerances.reordered)
  })
})

describe('an edit of heads', () => {
  it('is refused where there are no heads, and at what has no width of its own', async () => {
    const checkpoint = await loadCheckpoint('fixtures/llama-tiny')
    const refused = (act: object, width: number) => () => withEdits(checkpoint, [editFor(checkpoint, { name: 'e', acts: [{ kind: 'add', direction: 'v', ...act } as never], tensors: { v: normals('v', [width]) } })]) // biome-ignore format: one line
    const { headDim, hiddenSize } = checkpoint.config
    expect(refused({ at: ['blocks.0.attn.pattern'] }, headDim)).toThrow(/must act on vectors of tokens or of their heads, got blocks\.0\.attn\.pattern, \[R, heads, T, keys\]/) // biome-ignore format: one line
    expect(refused({ at: ['blocks.0.out'], heads: [0] }, hiddenSize)).toThrow(/heads can be named at taps of heads alone, got heads at blocks\.0\.out/) // biome-ignore format: one line
    expect(refused({ at: ['blocks.0.attn.k'], heads: [2] }, headDim)).toThrow(/heads at blocks\.0\.attn\.k are numbered from 0 to 1, got 2/)
    expect(refused({ at: ['blocks.0.attn.z'] }, hiddenSize)).toThrow(/v must be f32\[16\], or f32\[n, 16\] at blocks\.0\.attn\.z, got f32\[64\]/) // biome-ignore format: one line
  })
})

it.each(Object.keys(families))('%s: an eraser of the whole residual stream is the same in activations and in weights', async (family) => {
  const checkpoint = await loadCheckpoint(`fixtures/family-${family.replaceAll('_', '-')}`)
  const { config } = checkpoint
  const d = config.hiddenSize
  // Two directions, read and written obliquely: the second reads nothing of what the first writes.
  const draw = (seed: number) => Float64Array.from({ length: d }, (_, i) => Math.sin(seed + 1.7 * i * i))
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, x, i) => sum + x * b[i]!, 0)
  const without = (a: Float64Array, along: Float64Array, by: Float64Array) => a.map((x, i) => x - (dot(a, along) / dot(along, by)) * by[i]!)
  const [w0, r0] = [draw(1), draw(2)]
  const w1 = without(draw(3), r0, w0)
  const r1 = without(draw(4), w0, r0)
  const [u0, u1] = [r0.map((x) => x / dot(r0, w0)), r1.map((x) => x / dot(r1, w1))]
  const tensors = {
    read: tensor(Float32Array.from([...u0, ...u1]), [2, d]),
    write: tensor(
      Float32Array.from({ length: 2 * d }, (_, i) => (i % 2 === 0 ? w0 : w1)[i >> 1]!),
      [d, 2],
    ),
    mean: normals('mean', [d]),
  }
  const whole = editFor(checkpoint, { name: 'eraser', acts: [{ kind: 'affine', at: residualStream(config), read: 'read', write: 'write', mean: 'mean' }], tensors }) // biome-ignore format: one line
  const inWeights = withEdits(checkpoint, [whole], { identities: true })
  expect(inWeights.edits !== undefined).toBe((config.normed ?? 'before') !== 'before')
  const trees = [{ prompt: [1, 65, 12, 42], completions: [[20, 59, 63, 97, 40]] }]
  const want = await scoreTrees(await under(checkpoint, whole), trees)
  expectClose(await scoreTrees(await openPolicy(engine, inWeights), trees), want, tolerances.summed)
  expect(Math.abs(want[0]! - (await scoreTrees(await under(checkpoint), trees))[0]!)).toBeGreaterThan(1e-3)
  // One whose reading and writing do not fit is no projection, and stays in activations.
  const twice = editFor(checkpoint, { name: 'twice', acts: whole.acts, tensors: { ...tensors, read: tensor(tensors.read.data.map((x) => 2 * x), [2, d]) } }) // biome-ignore format: one line
  expect(withEdits(checkpoint, [twice], { identities: true }).edits).toBeDefined()
})

describe('a directional ablation of the whole residual stream', () => {
  it('V-ORTH-1: x − r·rᵀx', async () => {
    const { config } = await loadCheckpoint('fixtures/llama-tiny')
    const d = config.hiddenSize
    const wide = (a: number, b: number) =>
      tensor(
        Float32Array.from({ length: d }, (_, i) => [a, b][i] ?? 0),
        [d],
      )
    const checkpoint = await loadCheckpoint('fixtures/llama-tiny')
    const patch = editFor(checkpoint, { name: 'x', acts: [{ kind: 'patch', at: ['blocks.0.out'], value: 'x' }, { kind: 'ablate', at: ['blocks.0.out'], direction: 'r' }], tensors: { x: wide(1, 1), r: wide(3, 4) } }) // biome-ignore format: one line
    const file = join(folder, 'orth.safetensors')
    await writeEdit(file, patch)
    const model = await openModel('fixtures/llama-tiny', { edit: file })
    const { x } = await model.read('Once', { x: 'blocks.0.out' })
    await model.close()
    expectClose(x.data.slice(0, 3), [0.16, -0.12, 0], tolerances.update)
  })

  it.each(Object.keys(families))(
    '%s: in activations and in weights it is the same to 1e-5; a norm behind a writer is said, not ignored',
    async (family) => {
      const checkpoint = await loadCheckpoint(`fixtures/family-${family.replaceAll('_', '-')}`)
      const { config } = checkpoint
      const d = config.hiddenSize
      const tensors = { r: normals('r', [d]) }
      const whole = editFor(checkpoint, { name: 'whole', acts: [{ kind: 'ablate', at: residualStream(config), direction: 'r' }], tensors })
      const inWeights = withEdits(checkpoint, [whole], { identities: true })
      const trees = [
        {
          prompt: [1, 65, 12, 42],
          completions: [
            [20, 59, 63, 97, 40],
            [7, 7],
          ],
        },
      ]
      const want = await scoreTrees(await under(checkpoint, whole), trees)
      const normed = (config.normed ?? 'before') !== 'before'
      expect(inWeights.edits !== undefined).toBe(normed)
      // Where a norm stands between, what each writer adds is projected behind it.
      const written = editFor(checkpoint, { name: 'written', acts: [{ kind: 'ablate', at: ['embed', 'blocks.*.attn.out', 'blocks.*.mlp.out'], direction: 'r' }], tensors }) // biome-ignore format: one line
      expectClose(await scoreTrees(await under(checkpoint, written), trees), want, tolerances.plainly)
      expectClose(await scoreTrees(await openPolicy(engine, inWeights), trees), want, tolerances.plainly)
      expect(Math.abs(want[0]! - (await scoreTrees(await under(checkpoint), trees))[0]!)).toBeGreaterThan(1e-3)
    },
  )
})
