import { dpo, type Example, ipo, kto, nextToken, type Objective, simpo } from '../objectives/index.ts'
import { textTree } from '../policy/index.ts'
import { adamw, lion, type Optimizer, sgd } from '../train/index.ts'
import type { Case } from './case.ts'

const objectives: readonly (readonly [Objective, ((pair: Example) => readonly Example[])?])[] = [
  [dpo()],
  [ipo()],
  [simpo()],
  [kto(), sidesApart],
  [nextToken(), textOf],
]

const optimizers: readonly (() => Optimizer)[] = [
  () => adamw({ lr: 1e-3 }),
  () => sgd({ lr: 1e-2, momentum: 0.9 }),
  () => lion({ lr: 1e-4 }),
]

/** Twenty ordinary trainings: five objectives, each with AdamW and with one of SGD with momentum and Lion, with adapters and without. */
export const ordinary: readonly Case[] = objectives.flatMap(([objective, of], i) =>
  [optimizers[0]!, optimizers[1 + (i % 2)]!].flatMap((optimizer) =>
    [undefined, { rank: 2, alpha: 4 }].map(
      (lora): Case => ({
        name: `${objective.name}, ${optimizer().name}, ${lora ? 'adapters' : 'full'}`,
        about: 'an ordinary training',
        fires: [],
        recipe: () => ({
          objective,
          optimizer: optimizer(),
          ...(lora ? { lora } : {}),
          ...(of ? { order: (examples) => examples.flatMap(of) } : {}),
        }),
      }),
    ),
  ),
)

/** Each side of a pair by itself, the chosen one desirable. */
function sidesApart({ tree: { prompt, completions }, reference }: Example): Example[] {
  return completions.map((completion, i) => ({
    tree: { prompt, completions: [completion] },
    reference: reference.slice(i, i + 1),
    label: i === 0 ? 1 : 0,
  }))
}

/** The chosen side as a text, every token of which is learned. */
function textOf({ tree: { prompt, completions } }: Example): Example[] {
  return [{ tree: textTree([...prompt, ...completions[0]!]), reference: [], label: 1 }]
}
