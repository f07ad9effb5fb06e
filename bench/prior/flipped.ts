import { goal, goalPrior, recipe } from 'innate'
import { few } from './stories.ts'

// Control: a prior of the same strength that states the opposite of every goal.
const flipped = few.prior.goals.map(({ direction, name, measure, ...rest }) =>
  goal(name, measure, { ...rest, direction: direction === 1 ? -1 : 1 }),
)
export default recipe({ ...few, prior: goalPrior({ goals: flipped, strength: 20 }) })
