import { afterAll, expect, it } from 'vitest'
import { randomGraph } from '../../test/random-graph.ts'
import { tolerances } from '../../test/tolerances.ts'
import { evaluate, graph } from '../graph/index.ts'
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
