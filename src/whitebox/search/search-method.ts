import { scoreTrees } from '../../policy/index.ts'
import { random } from '../../random/index.ts'
import type { Method } from '../method.ts'
import { apart } from '../method.ts'
import { finalStates } from '../predictions.ts'
import { perToken } from './decide.ts'
import { searched, type Wanted } from './searched.ts'
import { sitesOf } from './sites.ts'

/** The search of an edit, with what must hold of any model: its slopes, and that no change is none. */
export const searchMethod: Method = {
  name: 'edit search',
  about: 'The smallest edit of weights or activations with a behaviour, by gradient descent.',
  source: 'Hu et al. 2021, arXiv:2106.09685; Yuan and Lin 2006',

  async laws(model) {
    const texts = ['Once upon a time', 'The cat sat'].map((text) => model.ids(text))
    const trees = texts.map((ids) => ({ prompt: ids.slice(0, 1), completions: [ids.slice(1)] }))
    const laws = []
    for (const [over, pattern] of [
      ['weights', 'blocks.1.mlp.down'],
      ['activations', 'blocks.0.out'],
    ] as const) {
      const sites = await sitesOf(model, [pattern], { over, matrices: false, texts })
      const of = await searched(model, over, sites)
      try {
        const states = (await finalStates(model.policy, texts)).data as Float32Array
        const d = model.config.hiddenSize
        const head = model.policy.params.head ?? model.policy.params.embed
        const kl = of.predicting(texts, {
          config: model.config,
          head,
          states: [states.slice(0, texts[0]!.length * d), states.slice(texts[0]!.length * d)],
        })
        await of.put({})
        laws.push(
          {
            law: `${over}: no change is none`,
            seen: apart(await scoreTrees(of.policy, trees), await scoreTrees(model.policy, trees)),
            wanted: 0,
            within: 1e-5,
          },
          { law: `${over}: the KL from itself is 0`, seen: perToken(await kl.measure()), wanted: 0, within: 1e-6 },
        )
        const [site] = sites
        const drawn = Float64Array.from(random(5, 'search/laws').normals(site!.numbers))
        const [here, step] = [0.3 * site!.size, 0.03 * site!.size]
        const at = (size: number) => of.put({ [site!.name]: drawn.map((x) => (x * size) / Math.sqrt(site!.numbers)) })
        const aims: readonly [string, Wanted][] = [
          ['completions', of.saying(texts.map((ids) => ({ ids, from: 1 })))],
          ['KL', kl],
        ]
        for (const [name, wanted] of aims) {
          const total = async () => {
            let sum = 0
            for (let batch = 0; batch < wanted.batches; batch++) sum += (await wanted.slope(batch)).loss
            return sum
          }
          await at(here + step)
          const above = await total()
          await at(here - step)
          const below = await total()
          await at(here)
          let along = 0
          for (let batch = 0; batch < wanted.batches; batch++)
            (await wanted.slope(batch)).slopes[site!.name]!.forEach((g, i) => void (along += (g * drawn[i]!) / Math.sqrt(site!.numbers)))
          const central = (above - below) / (2 * step)
          laws.push({
            law: `${over}, ${name}: the slope is the central difference`,
            seen: along,
            wanted: central,
            within: 0.02 * Math.abs(central) + 2e-5 / step,
          })
        }
      } finally {
        await of.close()
      }
    }
    return laws
  },
}
