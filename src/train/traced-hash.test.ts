import { afterAll, describe, expect, it } from 'vitest'
import { loadCheckpoint } from '../checkpoints/index.ts'
import { openEngine } from '../engine/index.ts'
import { constant, log, mean, stopGradient, sum, table, tensor, withGradient } from '../graph/index.ts'
import { type CustomLoss, dpo, kto, nextToken } from '../objectives/index.ts'
import { openPolicy } from '../policy/index.ts'
import { tracedHash } from './traced-hash.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())
const policy = await openPolicy(engine, await loadCheckpoint('fixtures/llama-tiny'))
const hash = (loss: CustomLoss, objective = dpo()) => tracedHash(policy, objective, loss)
const pull =
  (weight: number): CustomLoss =>
  ({ objective, kl }) =>
    objective.add(kl.mul(weight))

describe('the hash of a loss as it is traced', () => {
  it('is one for one loss, however often it is traced and whatever its variables are called', () => {
    const renamed: CustomLoss = (terms) => terms.objective.add(terms.kl.mul(0.1))
    expect(hash(pull(0.1))).toBe(hash(pull(0.1)))
    expect(hash(renamed)).toBe(hash(pull(0.1)))
  })

  it.each<[string, CustomLoss, CustomLoss]>([
    ['a constant of its closure', pull(0.1), pull(0.2)],
    ['the numbers of a table', tabled([1, 2]), tabled([1, 3])],
    ['the tap it reads', at('blocks.0.mlp.out'), at('blocks.1.mlp.out')],
    [
      'a stop, which changes the slope alone',
      ({ objective, kl }) => objective.add(stopGradient(kl)),
      ({ objective, kl }) => objective.add(kl),
    ],
    [
      'a gradient of its own',
      ({ objective }) => withGradient(objective, { objective }, ({ dy }) => ({ objective: dy })),
      ({ objective }) => withGradient(objective, { objective }, ({ dy }) => ({ objective: dy.neg() })),
    ],
  ])('is another with %s', (_, one, other) => {
    expect(hash(one)).toBe(hash(one))
    expect(hash(one)).not.toBe(hash(other))
  })

  it('is another with another objective below it', () => {
    expect(hash(pull(0.1), dpo({ beta: 0.2 }))).not.toBe(hash(pull(0.1)))
  })

  it('is of labelled completions and of texts too, and of what lies inside of attention', () => {
    expect(tracedHash(policy, kto(), pull(0.1))).not.toBe(tracedHash(policy, kto(), pull(0.2)))
    const text: CustomLoss = ({ objective, entropy }) => objective.add(entropy.mul(0.1))
    expect(tracedHash(policy, nextToken(), text)).toMatch(/^[0-9a-f]{64}$/)
    expect(hash(at('blocks.0.attn.pattern'))).not.toBe(hash(at('blocks.1.attn.pattern')))
  })
})

function tabled(values: readonly number[]): CustomLoss {
  return ({ objective }) => objective.add(sum(table(tensor(values, [values.length])).mul(constant(1e-3))))
}

function at(name: string): CustomLoss {
  return ({ objective, tap }) => objective.add(mean(log(tap(name).mul(tap(name)).add(1))).mul(1e-3))
}
