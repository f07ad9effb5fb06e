import { exp, log, logSigmoid, mean, sqrt, sum } from '../../graph/index.ts'
import { type CustomLoss, type Example, kto } from '../../objectives/index.ts'
import type { Case } from '../case.ts'

/** Beside the objective the margin of a pair against those of all pairs of its batch, as contrastive losses have it. */
const contrastive: CustomLoss = ({ objective, margin }) => objective.add(log(sum(exp(margin.mul(4)))).sub(mean(margin).mul(4)))

/** Margins centred and scaled over the batch, as a batch norm does. */
const normalised: CustomLoss = ({ margin }) => {
  const off = margin.sub(mean(margin))
  return mean(logSigmoid(off.div(sqrt(mean(off.mul(off)).add(1))).add(margin))).neg()
}

const halfSure = (examples: readonly Example[]) => examples.map((example, i) => ({ ...example, label: 0.6 + (i % 4) / 10 }))

/** Of each pair the better completion as a desirable one, then the worse as an undesirable one. */
function labelled(examples: readonly Example[]): Example[] {
  return examples.flatMap(({ tree, reference }) =>
    tree.completions.map((completion, side) => single(tree.prompt, completion, reference[side]!, side)),
  )
}

/** One answer to one question, asked twice with another word before it each time: desirable, then undesirable, and so on. */
function balanced(examples: readonly Example[]): Example[] {
  const [{ tree: first }] = examples as readonly [Example]
  const words = [...new Set(examples.flatMap(({ tree }) => tree.prompt))].slice(0, 80)
  return words.map((word, i) => single([word, ...first.prompt, ...first.prompt], first.completions[0]!, -10, i % 2))
}

function single(prompt: readonly number[], completion: readonly number[], reference: number, side: number): Example {
  return { tree: { prompt, completions: [completion] }, reference: [reference], label: side === 0 ? 1 : 0 }
}

const declare = (as: 'batch' | 'sampler', reason: string) => [{ tensor: '*', as, reason }]

/** Trainings in which examples of a batch lean on each other as they should. */
export const cancellingLookAlikes: readonly Case[] = [
  {
    name: 'contrastive loss',
    about: 'each pair is told from the others of its batch',
    fires: [],
    like: 4,
    recipe: () => ({ loss: contrastive, declare: declare('batch', 'a contrastive loss has the rest of the batch in its denominator') }),
  },
  {
    name: 'batch statistics',
    about: 'margins are centred and scaled over the batch',
    fires: [],
    like: 4,
    recipe: () => ({ loss: normalised, declare: declare('batch', 'margins are normalised by the mean and the spread of the batch') }),
  },
  {
    name: 'stratified sampler',
    about: 'every batch has as many desirable as undesirable answers, by the order of the file',
    fires: [],
    like: 4,
    recipe: () => ({
      objective: kto(),
      order: balanced,
      shuffle: false,
      batch: 2,
      declare: declare('sampler', 'batches are balanced between desirable and undesirable answers'),
    }),
  },
  {
    name: 'batch baseline',
    about: 'kto subtracts a baseline that it takes over the batch',
    fires: [],
    like: 4,
    recipe: () => ({ objective: kto(), order: labelled }),
  },
  { name: 'soft labels', about: 'pairs of which the voters were unsure', fires: [], like: 4, recipe: () => ({ order: halfSure }) },
]
