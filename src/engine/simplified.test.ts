import { afterAll, expect, it } from 'vitest'
import { randomGraph } from '../../test/random-graph.ts'
import { tolerances } from '../../test/tolerances.ts'
import { constant, evaluate, graph, input, tensor } from '../graph/index.ts'
import { openEngine } from './engine.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())

it.each(Array.from({ length: 40 }, (_, seed) => seed))(
  'random graph %i: ONNX Runtime runs what evaluate reads as it was written',
  async (seed) => {
    const { graph: written, given } = randomGraph(seed)
    // An input that is given back needs another name than its own.
    const outputs = Object.fromEntries(Object.entries(written.outputs).filter(([, { op }]) => op.name !== 'input'))
    const traced = graph(written.inputs, outputs)
    const want = evaluate(traced, given)
    const program = await engine.compile(traced)
    const got = await program.run(given)
    await program.close()
    for (const [name, { data }] of Object.entries(want)) {
      const largest = Math.max(1, ...Array.from(data, Math.abs))
      const off = Math.max(...Array.from(data, (x, i) => Math.abs(x - got[name]!.data[i]!)))
      expect(off / largest, name).toBeLessThan(tolerances.runAsWritten.relative)
    }
  },
)

it('zero and minus zero are two numbers', async () => {
  const x = input('x', [])
  const program = await engine.compile(graph({ x }, { above: x.div(constant(0)), below: x.div(constant(-0)) }))
  const { above, below } = await program.run({ x: tensor([1], []) })
  await program.close()
  expect([above!.data[0], below!.data[0]]).toEqual([Infinity, -Infinity])
})
