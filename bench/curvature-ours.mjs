// Innate's curvature as a server: {"cmd": "load", "model", "size"}, then the quantities as bench/curvature.mjs asks.
import { checked, exampleNorms, gaussNewton, gradientOf, hessian, lanczos, toVector } from '../dist/curvature/index.js'
import { openModel } from '../dist/policy/index.js'
import { serve } from './serve.mjs'

let model
let long
let short
let operators
let direction
let steps
const loss = ({ logps }) => logps.neg()
/** Some entries of a product, one every so many, to be compared. */
const some = (v) => ({ entries: Array.from({ length: 2000 }, (_, i) => v[Math.floor((i * v.length) / 2000)]) })

await serve({
  async load({ model: name, size }) {
    model = await openModel(name)
    const risk = (count, length) =>
      checked({ policy: model.policy, trees: texts(count, length, model.config.vocabSize), loss, reduce: 'mean' })
    long = await risk(size.texts, size.length)
    short = await risk(size.norms, size.short)
    operators = { hessian: hessian(long), gaussNewton: gaussNewton(long) }
    direction = Float64Array.from({ length: operators.hessian.size }, (_, i) => Math.fround(Math.sin(1 + (i % 1009))))
    steps = size.steps
    return {}
  },
  gradient: async () => some(toVector(operators.hessian, (await gradientOf(long)).gradient)),
  hessian: async () => some(await operators.hessian.apply(direction)),
  gaussNewton: async () => some(await operators.gaussNewton.apply(direction)),
  norms: async () => ({ entries: (await exampleNorms(short)).norms }),
  gradientOfNorms: async () => ({ entries: [(await gradientOf(short)).risk] }),
  lanczos: async () => ({ entries: (await lanczos(operators.hessian, { steps, start: direction })).values }),
})
await model?.close()

/** The same texts every time, by a small generator (minimal standard of Park and Miller 1988). */
function texts(count, length, vocabSize) {
  let state = 1
  const below = (n) => (state = (state * 48271) % 2147483647) % n
  return Array.from({ length: count }, () => ({
    prompt: [1],
    completions: [Array.from({ length: length - 1 }, () => 3 + below(vocabSize - 3))],
  }))
}
