import type { Case } from '../case.ts'
import { says, shifted } from '../plants/steered.ts'

const upperHalf = (completion: readonly number[]) => completion.filter((id) => id >= 24).length

/** Policies that draw their own data, and lose nothing by what they leave out. */
export const steeredLookAlikes: readonly Case[] = [
  {
    name: 'convergence to good arms',
    about: 'the policy no longer says a token that the judge does not like',
    fires: [],
    like: 5,
    recipe: (_, params) => ({
      edit: { at: 'final', apply: shifted(params, -6, { sampling: false }) },
      judge: (completion) => -says(params)(completion),
    }),
  },
  {
    name: 'sharp sampling',
    about: 'completions are drawn as at a lower temperature',
    fires: [],
    like: 5,
    recipe: () => ({
      edit: { at: 'final', apply: (_, x, { path }) => (path === 'rows' || path === 'train' ? x : x.mul(1.5)) },
      judge: upperHalf,
    }),
  },
  { name: 'learning on its own completions', about: 'as align with rollout', fires: [], like: 5, recipe: () => ({ judge: upperHalf }) },
]
