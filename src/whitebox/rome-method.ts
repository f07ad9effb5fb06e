import { withEdits } from '../checkpoints/index.ts'
import { UserError } from '../graph/errors.ts'
import { openPolicy, readParams } from '../policy/index.ts'
import type { Method } from './method.ts'
import { plainTexts } from './plain-texts.ts'
import { rome } from './rome.ts'
import { norm } from './search/edit-form.ts'
import { valuesAt } from './values-at.ts'

/** Rank-one model editing, with what must hold of any model: the edited MLP writes v for the key k, W′k = v. */
export const romeMethod: Method = {
  name: 'rome',
  about: 'The change of rank 1 of a block’s MLP after which an object follows a subject.',
  source: 'Meng et al. 2022, arXiv:2202.05262',

  async laws(model) {
    const prompt = model.ids('The cat sat on')
    const subject = prompt.length - 2
    const texts = plainTexts.slice(0, 4).map((text) => model.ids(text))
    const options = { layer: 0, subject, texts, probability: 1, steps: 3 }
    if ((model.config.normed ?? 'before') !== 'before') {
      const refused = await rome(model, prompt, [5], options).catch((error: unknown) => error instanceof UserError)
      return [{ law: 'a norm behind the MLP is refused', seen: Number(refused === true), wanted: 1, within: 0 }]
    }
    const made = await rome(model, prompt, [5], options)
    const { policy, config, hash, name } = model
    const own = withEdits({ name, config, hash, params: await readParams(policy) }, [made.edit('rome')])
    const edited = await openPolicy(policy.engine, own)
    const tap = 'blocks.0.mlp.out'
    const read = async (of: typeof policy) => Float64Array.from((await valuesAt({ ...model, policy: of }, prompt, [tap]))[tap]!.data)
    const [before, after] = [await read(policy), await read(edited)]
    const [from, to] = [subject * config.hiddenSize, (subject + 1) * config.hiddenSize]
    const missed = norm(after.slice(from, to).map((x, i) => x - made.value[i]!)) / norm(made.value)
    const moved = norm(made.value.map((x, i) => x - before[from + i]!)) / norm(made.value)
    return [
      { law: 'the edited MLP writes v at the subject', seen: missed, wanted: 0, within: 1e-4 },
      { law: 'which the model did not', seen: Number(moved > 0.01), wanted: 1, within: 0 },
      { law: 'three steps make the object likelier', seen: Number(made.after > made.before), wanted: 1, within: 0 },
    ]
  },
}
