import { readFile } from 'node:fs/promises'
import { afterAll, expect, it } from 'vitest'
import { loadCheckpoint, readSafetensors } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { gradient, graph, isValue, leaves, mean, type Value } from '../graph/index.ts'
import { decoder, tokenLogps } from '../models/index.ts'
import { openPolicy, packTrees, policyInputs, rowInputs, rowTensors, shapeOf, textTree } from '../policy/index.ts'
import { adamw } from './adamw.ts'
import { openTrainState } from './state.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())

it('twenty clipped AdamW steps equal PyTorch’s (fixtures/adamw20, by oracle/): losses, norms and parameters ≤ 1e-4', async () => {
  const golden = JSON.parse(await readFile('fixtures/adamw20/golden.json', 'utf8'))
  const checkpoint = await loadCheckpoint('fixtures/llama-tiny')
  const policy = await openPolicy(engine, checkpoint)
  const [batch] = packTrees(
    (golden.tokens as number[][]).map((row) => textTree(row)),
    { wantedMultiple: 46, lengths: [23] },
  )
  const { params, inputs } = policyInputs(policy)
  const rows = rowInputs(shapeOf(batch!.rows))
  const loss = mean(tokenLogps(params, decoder(params, rows, checkpoint.config), rows.wanted, rows.targets, checkpoint.config)).neg()
  const grads = Object.fromEntries(leaves<Value>(gradient(loss, inputs), isValue).map(([name, value]) => [`grad.${name}`, value]))
  const { completion: _, weights: __, ...used } = rows
  const program = await engine.compile(graph({ ...inputs, ...used }, { loss, ...grads }))
  const { completion: ___, weights: ____, ...given } = rowTensors(batch!.rows)

  const state = await openTrainState(policy, adamw({ lr: 1e-3, weightDecay: 0.01 }), { norm: 1 })
  for (const [i, want] of (golden.losses as number[]).entries()) {
    const results = await program.run({ ...policy.given, ...given }, state.grads)
    expect(Math.abs(results.loss!.data[0]! - want)).toBeLessThan(1e-4)
    const norm = await state.gradNorm()
    expect(Math.abs(norm / golden.gradNorms[i] - 1)).toBeLessThan(1e-4)
    await state.update(i + 1, 1e-3)
  }
  let compared = 0
  for (const [name, want] of await readSafetensors('fixtures/adamw20/golden.safetensors')) {
    if (!name.startsWith('param.')) continue
    const got = await engine.read(policy.given[`params.${name.slice(6)}`]!)
    expect(Math.max(...Array.from(got.data, (v, k) => Math.abs(v - want.data[k]!))), name).toBeLessThan(1e-4)
    compared++
  }
  expect(compared).toBe(20)
})
