import { withEdits } from '../checkpoints/index.ts'
import { type Model, openPolicy, readParams, scoreTrees } from '../policy/index.ts'
import { random } from '../random/index.ts'
import { apart, type Method } from './method.ts'
import { steered } from './steer-effect.ts'
import { ablation, addition } from './steering-edits.ts'

/** Steering, with what must hold of any model. */
export const steeringMethod: Method = {
  name: 'steering',
  about: 'A direction that is added, taken out or held at a value inside the model, as an edit that is a file.',
  source: 'Turner et al. 2023, arXiv:2308.10248; Panickssery et al. 2023, arXiv:2312.06681; Arditi et al. 2024, arXiv:2406.11717',

  async laws(model) {
    const { config } = model
    const direction = Float64Array.from(random(9, 'steering').normals(config.hiddenSize), (x) => 0.3 * x)
    const ids = model.ids('Once upon a time there was')
    const trees = [{ prompt: ids.slice(0, 2), completions: [ids.slice(2)] }]
    const pushed = steered(model, 'all')
    const [none, there, back] = [
      await pushed.score(trees),
      await pushed.score(trees, { layer: 0, direction, strength: 2 }),
      await pushed.score(trees, { layer: 0, direction: direction.map((x) => -x), strength: -2 }),
    ]
    const steps = ids.length - 2
    const under = async (edit: ReturnType<typeof addition>) => scoreTrees(await openPolicy(model.policy.engine, withEdits(await whole(model), [edit])), trees) // biome-ignore format: one line
    const added = await under(addition('push', model, { layer: 0, direction, strength: 2 }))
    const ablated = await under(ablation('without', model, direction))
    const longer = await under(ablation('without', model, direction.map((x) => -3 * x))) // biome-ignore format: one line
    return [
      { law: 'strength 0 is the model itself', seen: apart(none, (await scoreTrees(model.policy, trees)).map((x) => x / steps)), wanted: 0, within: 1e-4 }, // biome-ignore format: one line
      { law: 'the other way round with the other sign is the same', seen: apart(there, back), wanted: 0, within: 1e-5 },
      { law: 'what is fed scores as the edit that is written', seen: apart(there, added.map((x) => x / steps)), wanted: 0, within: 1e-4 }, // biome-ignore format: one line
      { law: 'an ablation does not depend on length and sign of its direction', seen: apart(ablated, longer), wanted: 0, within: 1e-3 },
    ]
  },
}

async function whole(model: Model) {
  return { name: model.name, config: model.config, hash: model.hash, params: await readParams(model.policy) }
}
