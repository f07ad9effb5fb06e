// A bare training step of ours as a server: {"cmd": "load", "model", "tokens", "threads"}, {"cmd": "step"}, {"cmd": "raw"}, {"cmd": "peak"}.
import { loadCheckpoint } from '../dist/checkpoints/index.js'
import { openEngine } from '../dist/engine/index.js'
import { gradient, graph, input, isValue, leaves, matmul, mean } from '../dist/graph/index.js'
import { tokenLogps } from '../dist/models/index.js'
import { forward, openPolicy, packTrees, rowInputs, runInputs, shapeOf, textTree } from '../dist/policy/index.js'
import { serve } from './serve.mjs'

let engine
let step
let raw
await serve({
  async load({ model, tokens, threads }) {
    engine = openEngine({ threads })
    const policy = await openPolicy(engine, await loadCheckpoint(model))
    const [rows, length] = [tokens.length, tokens[0].length - 1]
    const [batch] = packTrees(tokens.map(textTree), { lengths: [length], tokenBudget: rows * length, wantedMultiple: 1 })
    const given = rowInputs(shapeOf(batch.rows))
    const { params, hidden, inputs } = forward(policy, given, { path: 'train' })
    const loss = mean(tokenLogps(params, hidden, given.wanted, given.targets, policy.config)).neg()
    const slopes = leaves(gradient(loss, inputs), isValue).map(([name, value]) => [`grad.${name}`, value])
    const program = await engine.compile(graph({ ...inputs, ...given }, { loss, ...Object.fromEntries(slopes) }))
    const into = {}
    for (const [name, value] of slopes) into[name] = await engine.allocate(value)
    step = () => program.run(runInputs(policy, batch), into)
    raw = await products(policy.config, rows, length)
  },
  step: async () => ({ loss: (await step()).loss.data[0] }),
  raw: () => raw(),
})
await engine?.close()

/** Every product of the step, forwards and backwards, each kind as a program of its own: how often, and what it multiplies. */
async function products({ hiddenSize: d, intermediateSize: m, heads, kvHeads, headDim, layers, vocabSize }, rows, length) {
  const n = rows * length
  const linear = [
    [layers * 2, d, heads * headDim],
    [layers * 2, d, kvHeads * headDim],
    [layers * 3, d, m],
    [1, d, vocabSize],
  ].flatMap(([times, from, to]) => [
    [times, [n, from], [from, to]],
    [times, [n, to], [to, from]],
    [times, [from, n], [n, to]],
  ])
  const [wide, narrow] = [
    [rows * heads, length, length],
    [rows * heads, length, headDim],
  ]
  const attention = [
    [layers * 2, narrow, [rows * heads, headDim, length]],
    [layers * 4, wide, narrow],
  ]
  const timed = []
  for (const [times, left, right] of [...linear, ...attention]) {
    const [a, b] = [input('a', left), input('b', right)]
    const traced = graph({ a, b }, { y: matmul(a, b) })
    const given = { a: await engine.allocate(a), b: await engine.allocate(b) }
    const y = await engine.allocate(traced.outputs.y)
    const program = await engine.compile(traced)
    timed.push({ times, run: () => program.run(given, { y }) })
  }
  return async () => {
    let seconds = 0
    for (const { times, run } of timed) {
      const began = performance.now()
      await run()
      seconds += (times * (performance.now() - began)) / 1000
    }
    return { rawSeconds: seconds }
  }
}
