import type { Method } from './method.ts'
import { why } from './why.ts'

/** The parts that carry a difference, with what must hold of them. */
export const whyMethod: Method = {
  name: 'why',
  about: 'The heads, MLPs and tokens whose ablation costs most of a logit difference, and what they keep and lose of it together.',
  source: 'Wang et al. 2022, arXiv:2211.00593; the rule of its finding is in why-rule.ts',

  async laws(model) {
    const text = 'Once upon a time there was'
    const said = { answer: ' a', wrong: ' the' }
    const every = model.config.layers * (model.config.heads + 1) + model.ids(text).length - 1
    const all = await why(model, text, said, { k: every })
    const one = await why(model, text, said, { k: 1 })
    return [
      { law: 'all parts keep all of the difference', seen: all.kept.share, wanted: 1, within: 1e-4 },
      { law: 'a part alone loses what it is said to lose', seen: one.ablated.share, wanted: one.parts[0]!.effect, within: 1e-3 },
      { law: 'all parts are no better than all parts', seen: all.finding === 'cannot tell' ? 0 : 1, wanted: 0, within: 0.5 },
    ]
  },
}
