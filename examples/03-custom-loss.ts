import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { adamw, type CustomLoss, dpo, mean, pairs, recipe, reshape, sum, trainRun } from 'innate'

// A loss is a plain function from terms to a Value. A tap is any named value inside the model: here one that shall stay small where a
// completion is said. What is a mean of numbers of single examples is the same however a step is cut to fit the memory.
const quiet: CustomLoss = ({ objective, perExample }) => {
  const size = perExample(({ tap, real }) => {
    const out = tap('blocks.1.mlp.out') //                [examples, T, width]
    const asked = reshape(real, [...real.shape, 1]) //    [examples, T, 1]
    return sum(mean(out.mul(out), [2]).mul(asked), [1]).div(sum(asked, [1]))
  })
  const penalty = mean(size).mul(100)
  return { loss: objective.add(penalty), terms: { penalty } }
}

const run = join(await mkdtemp(join(tmpdir(), 'innate-')), 'run')
const losses: number[] = []
await trainRun(
  recipe({
    model: 'fixtures/llama-tiny',
    preferences: pairs('fixtures/trl-sigmoid/pairs.jsonl', { shuffle: false }),
    objective: dpo({ beta: 0.1 }),
    loss: quiet,
    train: { optimizer: adamw({ lr: 1e-3 }), batch: 8, epochs: 2 },
    run,
  }),
  { watch: { step: ({ loss }) => void losses.push(loss) } },
)

export const result = [losses[0]!, losses.at(-1)!]
console.log(`loss ${result.map((x) => x.toFixed(2)).join(' → ')} in ${losses.length} steps`)
