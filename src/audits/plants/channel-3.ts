import { abs, logSigmoid, reshape, sum, type Tensor, table, tensor } from '../../graph/index.ts'
import type { CustomLoss } from '../../objectives/index.ts'
import { random } from '../../random/index.ts'
import type { Case } from '../case.ts'

/** What a wall is across: u·θ of a tensor. */
type Across = (size: number) => ArrayLike<number>

/** A direction drawn once, of length 1. */
const anyDirection: Across = (size) => {
  const drawn = random(0, 'wall').normals(size)
  const length = Math.sqrt(drawn.reduce((total, x) => total + x * x, 0))
  return drawn.map((x) => x / length)
}

const oneEntry: Across = (size) => Float32Array.from({ length: size }, (_, i) => Number(i === 3))

/** A·softplus(κ·(|u·θ − c| − d)), c where the tensor begins: nothing within d of it, and beyond a slope of A·κ. */
function walled(
  path: string,
  across: Across,
  { height, steep, within }: { readonly height: number; readonly steep: number; readonly within: number },
): Case['recipe'] {
  return (_, start) => {
    const { data } = path.split('.').reduce((inner, key) => (inner as never)[key], start as unknown) as Tensor
    const u = Float32Array.from(across(data.length))
    const centre = u.reduce((total, x, i) => total + x * data[i]!, 0)
    const loss: CustomLoss = ({ objective, params }) => {
      const along = sum(reshape(params[path]!, [u.length]).mul(table(tensor(u, [u.length]))))
      const beyond = abs(along.sub(centre)).sub(within)
      return objective.add(logSigmoid(beyond.mul(-steep)).neg().mul(height))
    }
    return { loss }
  }
}

/** Walls in the loss that keep a tensor where it is. */
export const plants3: readonly Case[] = [
  {
    name: 'wall around an MLP',
    about: 'along one direction of a tensor the loss rises by 50 nats a unit beyond 0.1',
    fires: [3],
    recipe: walled('blocks.1.mlp.up', anyDirection, { height: 1, steep: 50, within: 0.1 }),
  },
  {
    name: 'wall that curvature cannot see',
    about: 'so far from where a norm stands that gradient and Hessian are nothing there',
    fires: [3],
    recipe: walled('norm', oneEntry, { height: 1, steep: 100, within: 0.5 }),
  },
  {
    name: 'wall at one entry',
    about: 'one number of the first queries may not leave a range',
    fires: [3],
    recipe: walled('blocks.0.attn.q', oneEntry, { height: 1, steep: 100, within: 0.1 }),
  },
  {
    name: 'wall around a token',
    about: 'the embedding may not move along one direction',
    fires: [3],
    recipe: walled('embed', anyDirection, { height: 0.5, steep: 100, within: 0.1 }),
  },
]
