import { mean, reshape, slice, sum, tanh } from '../../graph/index.ts'
import type { CustomLoss, Example } from '../../objectives/index.ts'
import type { Edit } from '../../policy/index.ts'
import type { Case } from '../case.ts'

/** Reads the mean of the batch and emits +d where a token lies above it, −d where it lies below. */
const halves: Edit = (_, x, { real }) => {
  const own = slice(x, 2, 0, 1)
  const there = reshape(real, [...real.shape, 1])
  const middle = sum(own.mul(there)).div(sum(there))
  return x.add(tanh(own.sub(middle).mul(1000)).mul(0.2))
}

/** Weighs examples by how likely they were to the reference, less the mean of the batch: what all of them ask for never moves anything. */
const againstTheMean: CustomLoss = ({ losses, chosen }) => mean(losses.mul(chosen.reference.sub(mean(chosen.reference))))

/** Adds to each example what the others of its batch ask, with the other sign. */
const others: CustomLoss = ({ losses, margin }) => mean(losses).add(tanh(mean(margin)).mul(mean(margin)).mul(5))

/** After each pair the same one with its sides swapped: at the reference its gradient is that of the first with the other sign. */
function opposed(examples: readonly Example[]): Example[] {
  const swap = ({ tree, reference, ...rest }: Example): Example => ({
    ...rest,
    tree: { ...tree, completions: tree.completions.toReversed() },
    reference: reference.toReversed(),
  })
  return examples.flatMap((example) => [example, swap(example)])
}

/** Trainings in which examples of a batch cancel, or lean on each other. */
export const cancellingPlants: readonly Case[] = [
  {
    name: 'halves of a batch',
    about: 'an edit emits +d on one side of the batch mean and −d on the other',
    fires: [4],
    may: [1, 3],
    recipe: () => ({ edit: { apply: halves, at: 'blocks.0.out' } }),
  },
  {
    name: 'opposed pairs',
    about: 'a file in which each pair is followed by itself with the sides swapped, in its order',
    fires: [4],
    recipe: () => ({ order: opposed, shuffle: false }),
  },
  {
    name: 'against the mean',
    about: 'a loss whose weights add up to 0 over each batch',
    fires: [4],
    recipe: () => ({ loss: againstTheMean }),
  },
  {
    name: 'others of the batch',
    about: 'a loss of the product of batch means, by which each example is pulled by the others',
    fires: [4],
    recipe: () => ({ loss: others }),
  },
  {
    name: 'opposed pairs, declared balanced',
    about: 'the same order with a declaration that does not hold: within the classes of a balanced sampler its pairs cancel all the same',
    fires: [4],
    recipe: () => ({
      order: opposed,
      shuffle: false,
      declare: [{ tensor: '*', as: 'sampler', reason: 'said to balance two kinds of pairs' }],
    }),
  },
]
