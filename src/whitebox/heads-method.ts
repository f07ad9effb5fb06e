import { abs, broadcastTo, constant, matmul, maximum, reshape, sum, type Tensor, table, takeRows, tensor } from '../graph/index.ts'
import type { Edit } from '../policy/index.ts'
import { evenShare, fixedPattern, type HeadRoleName, headRoles } from './heads.ts'
import { apart, type Method } from './method.ts'

/** Roles of heads, with what must hold of them. */
export const headsMethod: Method = {
  name: 'head roles',
  about: 'Whether a head looks at the token before, at the same token earlier, or at what followed it there, beside a null for each.',
  source: 'Olsson et al. 2022, arXiv:2209.11895',

  async laws(model) {
    const [length, sequences] = [6, 16]
    const begin = model.ids('').length
    const T = begin + 2 * length
    const { pattern } = await model.read('Once upon a time there was', { pattern: 'blocks.0.attn.pattern' })
    const keys = pattern.shape.at(-1)!
    const sums = Array.from({ length: pattern.data.length / keys }, (_, row) =>
      Array.from(pattern.data.subarray(row * keys, (row + 1) * keys)).reduce((total, x) => total + x, 0),
    )
    const planted = async (back: number) => {
      const feeds = () => ({ pattern: fixedPattern(T, back) })
      const edited = model.with(plant, { at: 'blocks.0.attn.pattern', feeds })
      return (await headRoles(edited, { length, sequences })).filter(({ layer }) => layer === 0)
    }
    const content = async (role: HeadRoleName, ahead: number) => {
      const feeds = () => ({
        earlier: band(T, (t, key) => key < t),
        ahead: band(T, (t, key) => key === t + ahead),
        own: fixedPattern(T, 0),
      })
      const edited = model.with(plantContent, { at: 'blocks.0.attn.pattern', feeds })
      const heads = (await headRoles(edited, { length, sequences })).filter(({ layer }) => layer === 0)
      return heads.filter((head) => head.role === role).length
    }
    const [before, same] = [await planted(1), await planted(length)]
    const found = before.map(({ roles }) => roles['previous-token'])
    return [
      {
        law: 'attention of each token adds up to 1',
        seen: apart(
          sums,
          sums.map(() => 1),
        ),
        wanted: 0,
        within: 1e-5,
      },
      { law: 'heads that look one back give that all', seen: Math.min(...found.map(({ seen }) => seen)), wanted: 1, within: 1e-5 },
      { law: 'their null is an even share', seen: found[0]!.null, wanted: evenShare(begin, T), within: 1e-9 },
      { law: 'each is named', seen: before.filter(({ role }) => role === 'previous-token').length, wanted: before.length, within: 0 },
      {
        law: 'heads that look at a fixed distance see the same token earlier, as they would any other: their null is as large',
        seen: Math.max(...same.map(({ roles }) => Math.abs(roles['duplicate-token'].excess.estimate))),
        wanted: 0,
        within: 1e-5,
      },
      {
        law: 'heads that look at the same token earlier are named',
        seen: await content('duplicate-token', 0),
        wanted: same.length,
        within: 0,
      },
      { law: 'heads that look at what followed it are named', seen: await content('induction', 1), wanted: same.length, within: 0 },
      { law: 'those that look at a fixed distance have no role', seen: same.filter(({ role }) => role).length, wanted: 0, within: 0 },
    ]
  },
}

const plant: Edit = (_, x, at) => x.mul(0).add(broadcastTo(at.input('pattern', x.shape.slice(-2)), x.shape))

/** Attention on the place `ahead` of the same token earlier, and on the token itself where there is none. */
const plantContent: Edit = (_, x, at) => {
  const [R, T] = at.tokens.shape as [number, number]
  const ids = takeRows(numbers, at.tokens)
  const equal = maximum(constant(1).sub(abs(reshape(ids, [R, T, 1]).sub(reshape(ids, [R, 1, T])))), 0)
  const earlier = equal.mul(at.input('earlier', [T, T]))
  const found = matmul(earlier, at.input('ahead', [T, T]))
  const pattern = found.add(
    constant(1)
      .sub(sum(earlier, [-1]))
      .mul(at.input('own', [T, T])),
  )
  return x.mul(0).add(broadcastTo(reshape(pattern, [R, 1, T, T]), x.shape))
}
const mostIds = 2 ** 16
const numbers = table(
  tensor(
    Float32Array.from({ length: mostIds }, (_, id) => id),
    [mostIds],
  ),
)

/** 1 where something holds of a token and a key. shape f32[T, T] */
function band(T: number, holds: (t: number, key: number) => boolean): Tensor {
  return tensor(
    Float32Array.from({ length: T * T }, (_, i) => (holds(Math.floor(i / T), i % T) ? 1 : 0)),
    [T, T],
  )
}
