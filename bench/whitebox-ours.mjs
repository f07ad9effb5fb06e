// Innate's white box as a server: {"cmd": "load", "model"}, then "bare", "read", "patch", "fit" and "peak" as bench/whitebox.mjs asks.
import { sum } from '../dist/graph/index.js'
import { openModel, over } from '../dist/policy/index.js'
import { fitJacobian, patch, saveLens, streamTaps } from '../dist/whitebox/index.js'
import { serve } from './serve.mjs'

let model
const treesOf = (texts) => texts.map((ids) => ({ prompt: ids, completions: [] }))
/** All that is computed up to the last norm, and one number of it. */
const bareSee = ({ tap }) => ({ total: sum(tap('final')) })

await serve({
  async load({ model: name }) {
    model = await openModel(name)
    const { layers, vocabSize } = model.config
    return { layers, vocabSize }
  },
  ids: async ({ text }) => ({ ids: model.ids(text) }),
  async bare({ texts }) {
    const [{ length }] = texts
    await over(model.policy, treesOf(texts), bareSee, { packing: { lengths: [length] } })
    return {}
  },
  async read({ texts, blocks, dtype, to }) {
    const taps = blocks.map((block) => `blocks.${block}.out`)
    await streamTaps(
      model,
      texts.map((ids) => ({ ids })),
      { taps, to, dtype },
    )
    return {}
  },
  async patch({ contrast }) {
    const { effects } = await patch(model, contrast, { sites: ['out'] })
    return { effects: effects.map(({ effect }) => effect) }
  },
  async fit({ ids, to }) {
    const lens = await fitJacobian(model, [{ ids }])
    await saveLens(to, lens, model.config)
    return {}
  },
})
await model?.close()
