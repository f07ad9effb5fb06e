import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fromBinary } from '@bufbuild/protobuf'
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { afterAll, describe, expect, it } from 'vitest'
import { loadCheckpoint } from '../src/checkpoints/checkpoint.ts'
import { readSafetensors } from '../src/checkpoints/safetensors.ts'
import { openEngine } from '../src/engine/index.ts'
import { ModelProto } from '../src/engine/onnx-proto.ts'
import { graph, input, tensor } from '../src/graph/index.ts'
import { decoder } from '../src/models/decoder.ts'
import { families } from '../src/models/families/index.ts'
import { logits } from '../src/models/head.ts'
import { openPolicy, policyInputs } from '../src/policy/policy.ts'
import { saveOnnx } from '../src/policy/save-onnx.ts'
import { expectClose } from './close.ts'
import { tolerances } from './tolerances.ts'

const engine = openEngine({ threads: 1 })
const root = mkdtempSync(join(tmpdir(), 'innate-transformers-js-'))
afterAll(async () => {
  rmSync(root, { recursive: true })
  await engine.close()
})

const i64 = (rows: readonly (readonly number[])[]) =>
  new OrtTensor('int64', BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0]!.length])

/** What transformers.js gives a decoder: positions count what is attended to, those of Gemma 3 from 1. */
function feeds(ids: readonly (readonly number[])[], attended: readonly (readonly number[])[], first: number) {
  const positions = attended.map((row) => {
    let next = first
    return row.map((seen) => (seen ? next++ : 1)).slice(-ids[0]!.length)
  })
  return { input_ids: i64(ids), attention_mask: i64(attended), position_ids: i64(positions) }
}

/** Writes greedily from a cache as transformers.js does, prompts padded on the left: ids, and the logits at every step. */
async function write(session: InferenceSession, prompts: readonly (readonly number[])[], count: number, family: string) {
  const first = family === 'gemma3_text' ? 1 : 0
  const T = Math.max(...prompts.map(({ length }) => length))
  const padded = (row: readonly number[], fill: number) => [...new Array<number>(T - row.length).fill(fill), ...row]
  let attended = prompts.map(({ length }) => padded(new Array<number>(length).fill(1), 0))
  let next = prompts.map((prompt) => padded(prompt, 0))
  let past: Record<string, OrtTensor> = Object.fromEntries(
    session.inputMetadata.flatMap((meta) => {
      if (!meta.isTensor || !meta.name.startsWith('past_key_values.')) return []
      const shape = meta.shape.map((n) => (typeof n === 'number' ? n : n === 'batch_size' ? prompts.length : 0))
      return [[meta.name, new OrtTensor('float32', new Float32Array(0), shape)]]
    }),
  )
  const said: number[][] = prompts.map(() => [])
  const seen: Float32Array[][] = prompts.map(() => [])
  for (let step = 0; step < count; step++) {
    const outputs = await session.run({ ...feeds(next, attended, first), ...past })
    const [B, length, V] = outputs.logits!.dims as [number, number, number]
    for (let b = 0; b < B; b++) {
      const end = (b + 1) * length * V
      const last = (outputs.logits!.data as Float32Array).slice(end - V, end)
      seen[b]!.push(last)
      said[b]!.push(last.indexOf(Math.max(...last)))
    }
    next = said.map((ids) => ids.slice(-1))
    attended = attended.map((row) => [...row, 1])
    past = Object.fromEntries(
      Object.entries(outputs).flatMap(([name, value]) =>
        name.startsWith('present.') ? [[name.replace('present', 'past_key_values'), value as OrtTensor]] : [],
      ),
    )
  }
  return { said, seen }
}

describe.each(Object.keys(families))('%s as transformers.js runs it', async (name) => {
  const folder = `fixtures/family-${name.replaceAll('_', '-')}`
  const checkpoint = await loadCheckpoint(folder)
  const { config } = checkpoint
  await saveOnnx(join(root, name), checkpoint)
  const file = join(root, name, 'onnx', 'model.onnx')
  const session = await InferenceSession.create(file, { intraOpNumThreads: 1, executionMode: 'sequential' })
  afterAll(() => session.release())

  it('64 greedy tokens after prompts of different lengths are those of transformers, and their logits those of a pass over it all', async () => {
    const { prompts, greedy } = JSON.parse(readFileSync(`${folder}/golden.json`, 'utf8')) as { prompts: number[][]; greedy: number[][] }
    const { said, seen } = await write(session, prompts, 64, name)
    expect(said).toEqual(greedy)

    const policy = await openPolicy(engine, checkpoint)
    for (const [b, prompt] of prompts.entries()) {
      const ids = [...prompt, ...said[b]!]
      const T = ids.length
      const given = {
        tokens: input('tokens', [1, T], 'i32'),
        positions: input('positions', [1, T], 'i32'),
        mask: input('mask', [1, 1, T, T]),
      }
      const { params, inputs } = policyInputs(policy)
      const program = await engine.compile(
        graph({ ...inputs, ...given }, { logits: logits(params, decoder(params, given, config), config) }),
      )
      const whole = await program.run({
        ...policy.given,
        tokens: tensor(Int32Array.from(ids), [1, T]),
        positions: tensor(Int32Array.from(ids.keys()), [1, T]),
        mask: tensor(Float32Array.from({ length: T * T }, (_, i) => (i % T <= Math.floor(i / T) ? 0 : -1e9)), [1, 1, T, T]), // biome-ignore format: one line
      })
      await program.close()
      const V = config.vocabSize
      seen[b]!.forEach((row, step) => {
        const at = (prompt.length - 1 + step) * V
        expectClose(row, whole.logits!.data.slice(at, at + V), tolerances.teacherForced, `logits of step ${step} of prompt ${b}`)
      })
    }
  })

  it('logits of whole rows, against transformers', async () => {
    const golden = await readSafetensors(`${folder}/golden.safetensors`)
    const [R, T] = golden.get('tokens')!.shape as [number, number]
    const rows = Array.from({ length: R }, (_, r) => [...golden.get('tokens')!.data.slice(r * T, (r + 1) * T)])
    const none = new OrtTensor('float32', new Float32Array(0), [R, config.kvHeads, 0, config.headDim])
    const past = session.inputNames.filter((input) => input.startsWith('past')).map((input) => [input, none])
    const attended = rows.map((row) => row.map(() => 1))
    const outputs = await session.run({ ...feeds(rows, attended, 0), ...Object.fromEntries(past) })
    expect(outputs['present.0.key']!.dims).toEqual([R, config.kvHeads, T, config.headDim])
    expectClose(outputs.logits!.data as Float32Array, golden.get('logits')!.data, tolerances.families, 'logits')
  })

  it('has standard operators alone, and every tap by its name', () => {
    const { graph, opsetImport } = fromBinary(ModelProto, readFileSync(file)) as unknown as {
      graph: { node: { name: string; domain: string }[] }
      opsetImport: object[]
    }
    expect(graph.node.filter(({ domain }) => domain !== '')).toEqual([])
    expect(opsetImport).toHaveLength(1)
    const names = new Set(graph.node.map(({ name }) => name))
    const block = 'attn.in attn.q attn.k attn.v attn.pattern attn.out mid mlp.act mlp.out out'.split(' ')
    const wanted = Array.from({ length: config.layers }, (_, i) => block.map((at) => `blocks.${i}.${at}`)).flat()
    // What is the same value as another keeps the first name: the input of a block that norms only afterwards is what came before.
    const same = config.normed === 'after' ? (at: string) => at.endsWith('.attn.in') : () => false
    expect(['embed', ...wanted, 'final'].filter((at) => !names.has(at) && !same(at))).toEqual([])
  })
})
