import { scoreTrees } from '../policy/index.ts'
import { random } from '../random/index.ts'
import { fitLorra } from './fit-lorra.ts'
import { apart, type Method } from './method.ts'

/** LoRRA, with what must hold of any model. */
export const lorraMethod: Method = {
  name: 'LoRRA',
  about: 'Low-rank weights that move what a block writes by a direction, as an edit of weights.',
  source: 'Zou et al. 2023, arXiv:2310.01405',

  async laws(model) {
    const ids = model.ids('Once upon a time')
    const trees = [{ prompt: ids.slice(0, 2), completions: [ids.slice(2)] }]
    const how = { layer: 0, direction: random(4, 'lorra').normals(model.config.hiddenSize), steps: 4, lr: 1e-2 }
    const [none, some] = [await fitLorra(model, [ids], { ...how, strength: 0 }), await fitLorra(model, [ids], { ...how, strength: 0.3 })]
    try {
      const { losses } = some
      return [
        { law: 'strength 0 changes nothing', seen: apart(await scoreTrees(none.policy, trees), await scoreTrees(model.policy, trees)), wanted: 0, within: 1e-6 }, // biome-ignore format: one line
        { law: 'at first all of the way is left', seen: losses[0]!, wanted: 1, within: 1e-3 },
        { law: 'the loss falls', seen: Number(losses.at(-1)! < losses[0]!), wanted: 1, within: 1e-9 },
      ]
    } finally {
      await none.close()
      await some.close()
    }
  },
}
