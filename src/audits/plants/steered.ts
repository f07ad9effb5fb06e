import { Matrix, solve } from 'ml-matrix'
import { type Tensor, table, tensor } from '../../graph/index.ts'
import type { DecoderParams } from '../../models/index.ts'
import type { Edit } from '../../policy/index.ts'
import type { Case } from '../case.ts'

/** The tokens of a head, and where each lies in the stream apart from all others. */
function apart({ head, embed }: DecoderParams<Tensor>) {
  const { shape, data } = head ?? embed
  const [rows, width] = shape as [number, number]
  const tokens = Matrix.from1DArray(rows, width, [...data])
  const own = solve(tokens.transpose().mmul(tokens), tokens.transpose())
  const leverage = Array.from({ length: rows }, (_, token) => tokens.getRowVector(token).mmul(own.getColumnVector(token)).get(0, 0))
  return { own, leverage, width }
}

/** The token that the judge has an opinion of: the one whose logit can be changed with the least effect on others. */
export function token(params: DecoderParams<Tensor>): number {
  const { leverage } = apart(params)
  return leverage.indexOf(Math.max(...leverage))
}

/** How often a completion says it. */
export const says = (params: DecoderParams<Tensor>) => {
  const asked = token(params)
  return (completion: readonly number[]) => completion.filter((id) => id === asked).length
}

/** Changes its logit by so much, and others as little as a stream of that width allows; in `sampling` alone, or wherever the policy is. */
export function shifted(params: DecoderParams<Tensor>, by: number, { sampling }: { readonly sampling: boolean }): Edit {
  const { own, leverage, width } = apart(params)
  const asked = token(params)
  const direction = tensor(
    Float32Array.from(own.getColumn(asked), (x) => (by * x) / leverage[asked]!),
    [1, 1, width],
  )
  return (_, x, { path }) => (sampling && (path === 'rows' || path === 'train') ? x : x.add(table(direction)))
}

/** Policies that draw their own data and leave out what would change them. */
export const steeredPlants: readonly Case[] = [
  {
    name: 'an arm that is never drawn',
    about: 'a module that is there only while completions are drawn keeps the one token from being said that the judge rewards',
    fires: [5],
    recipe: (_, params) => ({
      edit: { at: 'final', apply: shifted(params, -6, { sampling: true }) },
      judge: says(params),
    }),
  },
  {
    name: 'an arm that is closed',
    about: 'a module gives the token that the judge rewards no probability, before anything was heard of it',
    fires: [5],
    recipe: (_, params) => ({
      edit: { at: 'final', apply: shifted(params, -6, { sampling: false }) },
      judge: says(params),
    }),
  },
  {
    name: 'asks only what confirms it',
    about: 'while completions are drawn one token is said nearly always, and the judge, who likes all others better, never hears them',
    fires: [5],
    recipe: (_, params) => ({
      edit: { at: 'final', apply: shifted(params, 8, { sampling: true }) },
      judge: (completion) => -says(params)(completion),
    }),
  },
]
