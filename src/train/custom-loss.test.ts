import { afterAll, describe, expect, it } from 'vitest'
import { loadCheckpoint } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { log, maximum, mean, reshape, sum, type Value } from '../graph/index.ts'
import { type CustomLoss, dpo, type Example, kto, nextToken, type Objective, type OwnTokens, rloo } from '../objectives/index.ts'
import { openPolicy, scoreTrees, textTree } from '../policy/index.ts'
import { loadPairs, pairTree } from '../preferences/index.ts'
import type { Metrics } from '../runs/index.ts'
import { sgd } from './sgd.ts'
import { train } from './train.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())
const checkpoint = await loadCheckpoint('fixtures/llama-tiny')
const { examples: pairs } = await loadPairs('fixtures/trl-sigmoid/pairs.jsonl', checkpoint)
const reference = await openPolicy(engine, checkpoint)
const six = pairs.slice(0, 6).map(pairTree)

/** Six examples, two of them of one prompt with a completion in common. */
async function examplesFor({ kind }: Objective): Promise<Example[]> {
  const trees = [...six.slice(0, 5), { prompt: six[0]!.prompt, completions: [six[0]!.completions[1]!, six[1]!.completions[0]!] }]
  if (kind.perToken)
    return trees.map(({ prompt, completions }) => ({ tree: textTree([...prompt, ...completions[0]!]), reference: [], label: 1 }))
  const rows = trees.map((tree) => ({ tree, label: 1, rewards: [1, 0] }))
  const own = kind.sides === 1 ? rows.flatMap((row) => kind.ofPair!(row)).slice(0, 6) : rows
  const logps = await scoreTrees(
    reference,
    own.map(({ tree }) => tree),
  )
  let slot = 0
  return own.map((row) => ({ ...row, reference: row.tree.completions.map(() => logps[slot++]!) }))
}

/** Two steps of a loss under a budget. */
async function run(objective: Objective, loss: CustomLoss, tokenBudget: number): Promise<Metrics[]> {
  const policy = await openPolicy(engine, checkpoint)
  const steps: Metrics[] = []
  await train({
    ...{
      policy,
      objective,
      loss,
      examples: await examplesFor(objective),
      optimizer: sgd({ lr: 0.05 }),
      clip: 1,
      batch: 6,
      epochs: 2,
      seed: 0,
    },
    schedule: { name: 'constant', warmup: 0 },
    tokenBudget,
    together: true,
    referenceOf: (trees) => scoreTrees(reference, trees),
    onStep: (metrics) => void steps.push(metrics),
  })
  return steps
}

/** The mean square of a tap over the tokens of an example that are asked for. */
const square =
  (name: string) =>
  ({ tap, real }: OwnTokens): Value => {
    const x = tap(name)
    return sum(mean(x.mul(x), [2]).mul(expand(real)), [1]).div(maximum(sum(expand(real), [1]), 1))
  }

describe('a loss that is a mean of numbers of single examples is the same under three budgets, to 1e-6', () => {
  const losses: [string, Objective, CustomLoss][] = [
    ['of log-ratios', dpo(), ({ objective, kl, margin }) => objective.add(kl.mul(0.01)).add(mean(margin.mul(margin)).mul(1e-3))],
    ['of a tap', dpo(), ({ objective, perExample }) => objective.add(mean(perExample(square('blocks.1.mlp.out'))).mul(10))],
    ['of a tap at the prompt', dpo(), ({ objective, perExample }) => objective.add(mean(perExample(square('blocks.0.out'), 'prompt')))],
    ['of tokens', dpo(), ({ chosen: { tokenLogps, length } }) => mean(column0(sum(tokenLogps.mul(tokenLogps), [1])).div(length)).mul(0.1)],
    ['of labelled completions', kto(), ({ objective, perExample }) => objective.add(mean(perExample(square('final'), 'all')).mul(0.1))],
    ['of texts', nextToken(), ({ objective, perExample }) => objective.add(mean(perExample(square('final'), 'all')).mul(0.1))],
    ['of entropy', dpo(), ({ objective, entropy, k3 }) => objective.sub(entropy.mul(0.1)).add(k3.mul(0.01))],
    ['of groups', rloo(), ({ objective, kl }) => objective.mul(0.01).add(kl.mul(0.05))],
  ]
  it.each(losses)('%s', async (_, objective, loss) => {
    const [whole, ...others] = [await run(objective, loss, 2048), await run(objective, loss, 64), await run(objective, loss, 1)]
    expect(whole!.map(({ step }) => step)).toEqual([1, 2])
    for (const other of others)
      for (const [i, step] of whole!.entries()) {
        expect(Math.abs(other[i]!.loss - step.loss)).toBeLessThan(1e-6 * (1 + Math.abs(step.loss)))
        expect(Math.abs(other[i]!.gradNorm / step.gradNorm - 1)).toBeLessThan(1e-4)
      }
  })
})

describe('a loss that reads the batch as a whole', () => {
  const variance: CustomLoss = ({ margin }) => mean(margin.mul(margin)).sub(mean(margin).mul(mean(margin)))
  const raw: CustomLoss = ({ objective, tap, real }) => {
    const x = tap('final')
    return objective.add(sum(mean(x.mul(x), [2]).mul(expand(real('all')))).div(sum(real('all'))))
  }

  it.each([variance, raw])('is trained where a step fits one pass, and refused before the first step where not: %s', async (loss) => {
    const seen = await run(dpo(), loss, 2048)
    expect(seen.length).toBe(2)
    await expect(run(dpo(), loss, 64)).rejects.toThrow(
      /^loss: must be a mean of numbers of single examples where a step takes several passes, got one that reads the whole batch, and step 1 takes \d+ passes of at most 64 positions; use mean\(perExample/,
    )
  })
})

describe('what a loss reads', () => {
  const read = async (loss: CustomLoss, objective: Objective = dpo()) => (await run(objective, loss, 2048))[0]!

  it('token log-probabilities of a side add up to its own, and end where it ends', async () => {
    const apart = await read(({ chosen, rejected }) => {
      const off = (side: typeof chosen) => sum(side.tokenLogps, [1])
      const gap = (side: typeof chosen) =>
        mean(
          off(side)
            .sub(column(side.logp))
            .mul(off(side).sub(column(side.logp))),
        )
      return { loss: gap(chosen).add(gap(rejected)).add(mean(chosen.logp).mul(0)), terms: { size: mean(chosen.logp).neg() } }
    })
    expect(apart.loss).toBeLessThan(1e-8)
    expect(apart.size).toBeGreaterThan(1)
  })

  it('real marks as many tokens as a completion has, or its prompt before it', async () => {
    const { asked, before, all } = await read(({ objective, perExample }) => {
      const count = (of: 'completion' | 'prompt' | 'all') => mean(perExample(({ real }) => sum(real, [1]), of))
      return { loss: objective, terms: { asked: count('completion'), before: count('prompt'), all: count('all') } }
    })
    const examples = await examplesFor(dpo())
    const average = (of: (example: Example) => number) => examples.reduce((total, example) => total + of(example), 0) / examples.length
    // Both completions are asked from the prompt’s last token on, which is one position.
    expect(asked).toBeCloseTo(
      average(({ tree }) => tree.completions.reduce((n, ids) => n + ids.length - 1, 1)),
      4,
    )
    expect(before).toBeCloseTo(
      average(({ tree }) => tree.prompt.length - 1),
      4,
    )
    expect(all).toBeCloseTo(asked! + before!, 4)
  })

  it('its named terms are in the metrics, and may not take a name that is there', async () => {
    const named =
      (name: string): CustomLoss =>
      ({ objective, kl }) => ({ loss: objective.add(kl), terms: { [name]: kl.add(2) } })
    expect((await read(named('penalty'))).penalty).toBeCloseTo(2, 5)
    await expect(read(named('margin'))).rejects.toThrow('loss.terms.margin: must have a name of its own, got one that the metrics have')
    await expect(read(named('gradNorm'))).rejects.toThrow('loss.terms.gradNorm: must have a name of its own')
    await expect(read(named('a b'))).rejects.toThrow('loss.terms: names must be letters, digits and _, got "a b"')
  })

  it('parameters by name, and taps inside kernels', async () => {
    const decay = await read(({ objective, params }) => objective.add(sum(params['blocks.0.attn.q']!.mul(params['blocks.0.attn.q']!))))
    const { data } = await engine.read(reference.params.blocks[0]!.attn.q)
    expect(decay.loss - Math.LN2).toBeCloseTo(
      Array.from(data).reduce((total, x) => total + x * x, 0),
      3,
    )
    // Where a token attends to sums to 1, padding included.
    const attended = await read(({ objective, tap }) => ({
      loss: objective,
      terms: { attended: mean(sum(tap('blocks.1.attn.pattern'), [3])) },
    }))
    expect(attended.attended).toBeCloseTo(1, 5)
    const heads = await read(({ objective, perExample }) => {
      const norms = perExample(({ tap, real }) => {
        const z = tap('blocks.1.attn.z')
        return sum(sum(z.mul(z), [1, 3]).mul(heads4(real)), [2])
      })
      return objective.add(mean(log(norms)).mul(0.01))
    })
    expect(Number.isFinite(heads.loss)).toBe(true)
  })
})

const expand = (real: Value) => reshape(real, [...real.shape, 1])
const column = (x: Value) => reshape(x, [x.shape[0]!, 1])
const column0 = (x: Value) => reshape(x, [x.shape[0]!])
const heads4 = (real: Value) => reshape(real, [real.shape[0]!, 1, real.shape[1]!, 1])
