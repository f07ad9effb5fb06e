import { createHash } from 'node:crypto'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { afterAll, describe, expect, it } from 'vitest'
import { loadCheckpoint } from '../src/checkpoints/index.ts'
import { openEngine } from '../src/engine/index.ts'
import { mean, reshape, ShapeError, stopGradient, type Tensor, table, takeRows, tensor, UserError } from '../src/graph/index.ts'
import { tapNames } from '../src/models/taps.ts'
import { dpo } from '../src/objectives/index.ts'
import {
  asksInAttention,
  decoderOnnx,
  type Edit,
  edited,
  openPolicy,
  type Policy,
  packTrees,
  runInputs,
  sampleCompletions,
  scoreTrees,
  shapeOf,
} from '../src/policy/index.ts'
import { openReference } from '../src/policy/reference.ts'
import { random } from '../src/random/index.ts'
import { traceStep } from '../src/train/step.ts'
import { expectClose } from './close.ts'
import { expectTeacherForced } from './teacher-forced.ts'
import { tolerances } from './tolerances.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())

const checkpoint = await loadCheckpoint('stories5m')
const { config, tokenizer } = checkpoint
const d = config.hiddenSize
const texts = ['Once upon a time there was a little dog', 'Tom had a red ball. He', 'The sun was warm and Lily went to the park']
const prompts = texts.map((text) => tokenizer.encode(text).slice(0, 7))
const pairs = prompts.map((prompt, i) => ({
  prompt,
  completions: [tokenizer.encode(texts[i]!).slice(7), tokenizer.encode('and they were happy').slice(1)].map((ids) =>
    ids.length > 0 ? ids : [5],
  ),
}))
const policy = await openPolicy(engine, checkpoint)

const direction = tensor(
  Float32Array.from(random(3, 'direction').normals(d), (x) => 0.4 * x),
  [d],
)
const add: Edit = (_, x, at) => x.add(at.input('direction', [d]))
const pushed = (fed: Tensor = direction) => edited(policy, add, { at: 'blocks.2.out', feeds: () => ({ direction: fed }) })

const sampled = (of: Policy, temperature = 1) =>
  sampleCompletions(of, prompts, { seed: 4, maxTokens: 12, perPrompt: 2, temperature, eosIds: checkpoint.eosIds })

/** Everything a training step returns, for two pairs of examples. */
async function stepped(of: Policy, lengths = [32]): Promise<Record<string, Tensor>> {
  const [batch] = packTrees(pairs, { lengths, wantedMultiple: 1, whole: asksInAttention(of) })
  const { graph } = traceStep({ policy: of, objective: dpo(), shape: shapeOf(batch!.rows), examples: pairs.length })
  const program = await engine.compile(graph)
  const slots = 2 * pairs.length
  const more = {
    reference: new Float32Array(slots).fill(-20),
    lengths: new Float32Array(slots).fill(5),
    labels: new Float32Array(3).fill(1),
  }
  const numbers = Object.fromEntries(Object.entries(more).map(([name, data]) => [name, tensor(data, [data.length])]))
  const one = tensor([1], [])
  const result = await program.run({ ...runInputs(of, batch!), ...numbers, share: one, unit: one })
  await program.close()
  return result
}

describe('an edit that returns what it was given', () => {
  const same: Edit = (_, x) => x

  it('changes no bit of a score, a sample or a training step, at taps that no kernel swallows', async () => {
    const looking = edited(policy, same)
    expect(await scoreTrees(looking, pairs)).toEqual(await scoreTrees(policy, pairs))
    for (const temperature of [0, 1]) expect(await sampled(looking, temperature)).toEqual(await sampled(policy, temperature))
    for (const lengths of [[32], [128]]) {
      const [a, b] = [await stepped(looking, lengths), await stepped(policy, lengths)]
      expect(Object.keys(a)).toEqual(Object.keys(b))
      for (const name of Object.keys(a)) expect([name, hashOf(a[name]!)]).toEqual([name, hashOf(b[name]!)])
    }
  })

  it('inside of kernels it changes rounding alone', async () => {
    const looking = edited(policy, same, { at: tapNames(config) })
    expectClose(await scoreTrees(looking, pairs), await scoreTrees(policy, pairs), tolerances.plainly, 'scores')
    const [a, b] = [await sampled(looking), await sampled(policy)]
    expect(a.flat().map(({ ids }) => ids)).toEqual(b.flat().map(({ ids }) => ids))
    const logps = (of: typeof a) => of.flatMap((each) => each.flatMap(({ logps }) => logps))
    expectClose(logps(a), logps(b), tolerances.plainly, 'logps of samples')
    const [plain, fused] = [await stepped(looking), await stepped(policy)]
    expect(Object.keys(plain)).toEqual(Object.keys(fused))
    for (const name of Object.keys(plain)) expectClose(plain[name]!.data, fused[name]!.data, tolerances.plainly, name)
  })
})

describe('an edit is one function on every path', () => {
  const heads = config.heads
  const edits: [string, Edit, string | string[]][] = [
    ['adds a fixed direction to the residual stream', (_, x) => x.add(0.3), 'blocks.2.out'],
    ['adds what is fed', add, 'blocks.*.mid'],
    ['halves an MLP and doubles another', (name, x) => x.mul(name === 'blocks.1.mlp.out' ? 0.5 : 2), 'blocks.1.mlp.out,blocks.3.mlp.out'],
    ['silences a head', (_, x) => x.mul(reshape(table(tensor([1, 1, 0, 1, 1, 1], [heads])), [1, heads, 1, 1])), 'blocks.1.attn.z'],
    ['sharpens attention', (_, x) => x.mul(1.5), 'blocks.*.attn.scores'],
    ['damps a pattern', (_, x) => x.mul(0.7), 'blocks.0.attn.pattern'],
    ['changes keys and values as they are kept', (_, x) => x.mul(1.1), ['blocks.2.attn.k', 'blocks.4.attn.v']],
    ['freezes norms', (_, x) => stopGradient(x).mul(1.2), ['blocks.*.mlpNorm.scale', 'norm.scale']],
    ['reads what stands where', (_, x, at) => x.mul(reshape(at.real, [...at.real.shape, 1])), 'blocks.0.mlp.gate'],
  ]
  const feeds = () => ({ direction })

  it.each(edits)('%s: what is sampled is scored alike', async (_, edit, at) => {
    const of = edited(policy, edit, { at, feeds })
    await expectTeacherForced(of, prompts, await sampled(of))
    const [now, before] = [await scoreTrees(of, pairs), await scoreTrees(policy, pairs)]
    if (!at.includes('blocks.0.mlp.gate')) expect(now.some((logp, i) => Math.abs(logp - before[i]!) > 1e-2)).toBe(true)
    // The training step's log-probabilities are those that are scored.
    expectClose((await stepped(of)).logps!.data, now, tolerances.teacherForced, 'logps of a training step')
  })

  it('at the prompt it acts when the prompt is read, later at each step', async () => {
    const there: Edit = (_, x, at) =>
      x.add(reshape(takeRows(at.input('where', [config.contextLength]), at.positions), [...at.positions.shape, 1]).mul(0.5))
    const scores: number[][] = []
    for (const when of ['prompt', 'later'] as const) {
      const where = tensor(
        Float32Array.from({ length: config.contextLength }, (_, t) => (t < 7 === (when === 'prompt') ? 1 : 0)),
        [config.contextLength],
      )
      const of = edited(policy, there, { at: 'blocks.1.out', feeds: () => ({ where }) })
      await expectTeacherForced(of, prompts, await sampled(of))
      scores.push(await scoreTrees(of, pairs))
    }
    expect(scores[0]).not.toEqual(scores[1])
  })

  it('tells texts apart: what is fed by text changes that text alone', async () => {
    const by: Edit = (_, x, at) => x.mul(reshape(takeRows(at.input('factors', [3]), at.text), [...at.text.shape, 1]))
    const of = edited(policy, by, { at: 'blocks.3.mlp.out', feeds: () => ({ factors: tensor([1, 0, 1], [3]) }) })
    const [now, before] = [await scoreTrees(of, pairs), await scoreTrees(policy, pairs)]
    expectClose([...now.slice(0, 2), ...now.slice(4)], [...before.slice(0, 2), ...before.slice(4)], tolerances.teacherForced)
    expect(Math.abs(now[2]! - before[2]!)).toBeGreaterThan(0.01)
    // Temperature 0: a text reads the same tokens with and without the others beside it.
    const [one] = await sampleCompletions(edited(policy, (_, x) => x.mul(0), { at: 'blocks.3.mlp.out' }), [prompts[1]!], { seed: 1, maxTokens: 8, temperature: 0, eosIds: [] }) // biome-ignore format: one line
    expect((await sampleCompletions(of, prompts, { seed: 1, maxTokens: 8, temperature: 0, eosIds: [] }))[1]![0]!.ids).toEqual(one![0]!.ids)
  })

  it('an ONNX file that is written under it computes it too', async () => {
    const of = pushed()
    const { pieces } = decoderOnnx('edited', config, checkpoint.params, { edits: of.edits!, fed: { 'edit.0.direction': direction } })
    const session = await InferenceSession.create(Buffer.concat(pieces))
    const ids = [...prompts[0]!, ...pairs[0]!.completions[0]!]
    const long = (values: readonly number[]) => new OrtTensor('int64', BigInt64Array.from(values, BigInt), [1, values.length])
    const empty = () => new OrtTensor('float32', new Float32Array(), [1, config.kvHeads, 0, config.headDim])
    const past = Array.from({ length: config.layers }, (_, i) => ['key', 'value'].map((part) => [`past_key_values.${i}.${part}`, empty()]))
    const { logits } = await session.run({
      input_ids: long(ids),
      attention_mask: long(ids.map(() => 1)),
      position_ids: long(ids.map((_, t) => t)),
      ...Object.fromEntries(past.flat()),
    })
    const rows = ids.slice(0, -1).map((_, t) => (logits!.data as Float32Array).subarray(t * config.vocabSize, (t + 1) * config.vocabSize))
    const logps = rows.map((row, t) => row[ids[t + 1]!]! - Math.log(row.reduce((total, x) => total + Math.exp(x), 0)))
    const want = await scoreTrees(of, [{ prompt: ids.slice(0, 1), completions: [ids.slice(1)] }])
    expectClose([logps.reduce((a, b) => a + b, 0)], want, tolerances.teacherForced)
    await session.release()
  })
})

describe('what is compiled', () => {
  it('is compiled once for a function and a shape, and changing what is fed compiles nothing', async () => {
    let compiled = 0
    const counting = {
      ...engine,
      compile: (...args: Parameters<typeof engine.compile>) => {
        compiled++
        return engine.compile(...args)
      },
    }
    const counted = await openPolicy(counting, checkpoint)
    let fed = direction
    const of = edited(counted, add, { at: 'blocks.2.out', feeds: () => ({ direction: fed }) })
    const scores = [await scoreTrees(of, pairs)]
    expect(compiled).toBe(1)
    fed = tensor(
      direction.data.map((x) => -x),
      [d],
    )
    scores.push(await scoreTrees(of, pairs))
    expect(compiled).toBe(1)
    fed = tensor(new Float32Array(d), [d])
    expect(await scoreTrees(of, pairs)).toEqual(await scoreTrees(counted, pairs))
    expect(compiled).toBe(2)
    expect(scores[0]).not.toEqual(scores[1])
    // The same function at another tap is another program.
    await scoreTrees(edited(counted, add, { at: 'blocks.3.out', feeds: () => ({ direction: fed }) }), pairs)
    expect(compiled).toBe(3)
  })

  it('two closures of one factory are two functions, and eight at one place are noted once', async () => {
    const notes: string[] = []
    const note = (warning: Error & { code?: string }) => warning.code === 'INNATE_RECOMPILED' && notes.push(warning.message)
    process.on('warning', note)
    const own = await openPolicy(engine, checkpoint)
    const by = (factor: number): Edit => {
      return (_, x) => x.mul(factor)
    }
    const scores = []
    for (let i = 0; i < 10; i++) scores.push((await scoreTrees(edited(own, by(i / 5), { at: 'blocks.5.mlp.out' }), pairs.slice(0, 1)))[0]!)
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', note)
    expect(new Set(scores).size).toBe(10)
    expectClose([scores[5]!], (await scoreTrees(policy, pairs.slice(0, 1))).slice(0, 1), tolerances.teacherForced)
    expect(notes).toEqual([expect.stringMatching(/^"score" was compiled for 8 different functions; define an edit or a loss once/)])
    await own.rest()
  })
})

it('edits compose, the one that was added last is called last', async () => {
  const shift: Edit = (_, x) => x.add(1)
  const scale: Edit = (_, x) => x.mul(0.5)
  const at = 'blocks.4.mlp.out'
  const both = await scoreTrees(edited(edited(policy, shift, { at }), scale, { at }), pairs)
  expectClose(
    both,
    await scoreTrees(
      edited(policy, (_, x) => x.add(1).mul(0.5), { at }),
      pairs,
    ),
    tolerances.teacherForced,
  )
  expect(both).not.toEqual(await scoreTrees(edited(edited(policy, scale, { at }), shift, { at }), pairs))
})

it('remembered log-probabilities of an edited policy and of the plain one do not meet, in the process and on disk', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'innate-edited-reference-'))
  let fed = direction
  const of = edited(policy, add, { at: 'blocks.2.out', feeds: () => ({ direction: fed }) })
  const plain = await openReference(policy, 'f'.repeat(64), folder)
  const under = await openReference(of, 'f'.repeat(64), folder)
  const first = await under.logps(pairs)
  await under.remember(pairs, first)
  const unedited = await plain.logps(pairs)
  expect(await (await openReference(policy, 'f'.repeat(64), folder)).logps(pairs)).toEqual(unedited)
  expectClose(unedited, await scoreTrees(policy, pairs), tolerances.teacherForced)
  expectClose(first, await scoreTrees(of, pairs), tolerances.teacherForced)
  expect(first.every((logp, i) => Math.abs(logp - unedited[i]!) > 1e-3)).toBe(true)
  // What is fed is part of the key.
  fed = tensor(new Float32Array(d), [d])
  expectClose(await under.logps(pairs), unedited, tolerances.teacherForced)
  const again = await openReference(of, 'f'.repeat(64), folder)
  fed = direction
  expectClose(await again.logps(pairs), first, tolerances.teacherForced)
})

describe('what is wrong is said', () => {
  it.each([
    ['blocks.0.mlp.actt', /^edit: must name taps of the model, got "blocks\.0\.mlp\.actt"; did you mean blocks\.0\.mlp\.act\?$/],
    ['blocks.9.out', /^edit: .* got "blocks\.9\.out"; blocks are numbered from 0 to 5$/],
    ['nonsense at all', /^edit: .* choose from embed, blocks\.\*\.attnNorm\.scale, /],
    ['blocks.*', /^edit: /],
  ])('a tap that does not exist: %s', (at, message) => {
    expect(() => edited(policy, add, { at })).toThrow(UserError)
    expect(() => edited(policy, add, { at })).toThrow(message)
  })

  it('a value of another shape, and no value', async () => {
    const wrong = (edit: Edit) => scoreTrees(edited(policy, edit, { at: 'blocks.0.out' }), pairs)
    await expect(wrong((_, x) => mean(x, [-1]))).rejects.toThrow(ShapeError)
    await expect(wrong((_, x) => mean(x, [-1]))).rejects.toThrow(/^edit at blocks\.0\.out: must return f32\[.*\], got f32\[/)
    await expect(wrong(() => undefined as never)).rejects.toThrow(/got undefined/)
  })
})

function hashOf({ data }: Tensor): string {
  return createHash('sha256')
    .update(data as Float32Array)
    .digest('hex')
}
