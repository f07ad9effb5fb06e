import { readFile } from 'node:fs/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { loadCheckpoint } from '../checkpoints/checkpoint.ts'
import { readSafetensors } from '../checkpoints/safetensors.ts'
import { openEngine } from '../engine/index.ts'
import { gradient, graph, input, isTensor, isValue, leaves, mean, tap as plainTap, tensor, type Value } from '../graph/index.ts'
import { decoder } from '../models/decoder.ts'
import { logits, tokenLogps } from '../models/head.ts'
import { byPath, paramInputs } from '../models/params.ts'
import { packTrees, textTree } from './rows.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())

describe.each(['llama-tiny', 'llama-tiny-untied'])('%s against transformers (golden file by oracle/)', (name) => {
  it('activations, loss and every parameter gradient, max abs difference ≤ 1e-5', async () => {
    const folder = `fixtures/${name}`
    const { config, params } = await loadCheckpoint(folder)
    const golden = await readSafetensors(`${folder}/golden.safetensors`)
    const { tokens, loss: wantedLoss } = JSON.parse(await readFile(`${folder}/golden.json`, 'utf8')) as { tokens: number[][]; loss: number }
    const [R, T] = [tokens.length, tokens[0]!.length]

    const taps: Record<string, Value> = {}
    const collect: typeof plainTap = (tapName, value) => (taps[tapName] = plainTap(tapName, value))
    const p = paramInputs(params, (path, shape) => input(`params.${path}`, shape))
    const rows = { tokens: input('tokens', [R, T], 'i32'), positions: input('positions', [R, T], 'i32'), mask: input('mask', [R, 1, T, T]) }
    const hidden = decoder(p, rows, config, { tap: collect })
    const [wanted, targets] = [input('wanted', [R * (T - 1)], 'i32'), input('targets', [R * (T - 1)], 'i32')]
    const loss = mean(tokenLogps(p, hidden, wanted, targets, config)).neg()
    const named = byPath(p)
    const grads = Object.fromEntries(leaves<Value>(gradient(loss, named), isValue).map(([path, g]) => [`grad.${path}`, g]))
    const traced = graph({ ...named, ...rows, wanted, targets }, { loss, ...taps, logits: logits(p, hidden, config), ...grads })

    const program = await engine.compile(traced)
    const weights = Object.fromEntries(leaves(params, isTensor))
    const [batch] = packTrees(
      tokens.map((row) => textTree(row)),
      { lengths: [T], wantedMultiple: 1 },
    )
    const steps = tokens.flatMap((row, r) => row.slice(1).map((target, t) => ({ at: r * T + t, target })))
    const results = await program.run({
      ...weights,
      tokens: tensor(Int32Array.from(tokens.flat()), [R, T]),
      positions: tensor(Int32Array.from(tokens.flatMap((row) => row.map((_, t) => t))), [R, T]),
      mask: tensor(causal(R, T), [R, 1, T, T]),
      wanted: tensor(
        Int32Array.from(steps, (s) => s.at),
        [steps.length],
      ),
      targets: tensor(
        Int32Array.from(steps, (s) => s.target),
        [steps.length],
      ),
    })
    expect(batch!.rows.length).toBe(T)
    expectClose(results.loss!.data, [wantedLoss], tolerances.golden, 'loss')
    let compared = 0
    for (const [key, want] of golden) {
      if (want.dtype === 'i32') continue
      const got = results[key.replace(/^tap\./, '')]
      expect(got, `${key} has no counterpart among ${Object.keys(results).length} outputs`).toBeDefined()
      expectClose(got!.data, want.data, tolerances.golden, key)
      compared++
    }
    expect(compared).toBeGreaterThan(name === 'llama-tiny' ? 40 : 10)
  })
})

function causal(R: number, T: number): Float32Array {
  return Float32Array.from({ length: R * T * T }, (_, i) => (i % T <= Math.floor(i / T) % T ? 0 : -1e9))
}
