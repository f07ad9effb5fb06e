import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { numbers, scoredAt } from '../../test/scored.ts'
import {
  addRows,
  constant,
  evaluate,
  gradient,
  graph,
  input,
  logSumExp,
  mean,
  ShapeError,
  softmax,
  sum,
  table,
  takeRows,
  tap,
  tensor,
  UserError,
  type Value,
} from '../graph/index.ts'
import { type CustomLoss, lossText, traceLoss } from './custom.ts'
import { dpo, drest, kto, simpo } from './index.ts'
import { pairLosses } from './pairs.ts'
import { points } from './points.ts'
import { side } from './side.ts'

const hidden = input('hidden', [2, 3])
const taps = new Map([
  ['embed', tap('embed', hidden)],
  ['blocks.0.mlp.out', tap('blocks.0.mlp.out', hidden.mul(2))],
])
const at = [points.A, points.B]
const softLabels = table(tensor(Float64Array.of(1, 0.7), [2]))
const sides = { chosen: fixed('chosen'), rejected: fixed('rejected') }
const both = at.flatMap(({ chosen, rejected }) => [chosen, rejected])
const terms = dpo().terms(scoredAt(2, both, { labels: softLabels }, taps))

describe('the terms of a pair', () => {
  it('are what they say', () => {
    expect(worth(({ margin }) => mean(margin))).toBeCloseTo((2 - 0.75) / 2, 12)
    expect(worth(({ objective }) => objective)).toBeCloseTo(value(mean(pairLosses(dpo(), sides, softLabels))), 12)
    expect(worth(({ losses }) => mean(losses))).toBe(worth(({ objective }) => objective))
    expect(worth(({ chosen, rejected }) => mean(chosen.length.sub(rejected.length)))).toBe(-4)
    expect(worth(({ softLabels }) => sum(softLabels))).toBeCloseTo(1.7, 12)
    expect(worth(({ kl }) => kl)).toBeCloseTo((1 + 1 + 0.25 + 1.5625) / 8, 12)
  })

  it('join in the loss of the sketch', () => {
    const both = worth(({ objective, kl }) => objective.add(kl.mul(0.01)))
    expect(both).toBeCloseTo(worth(({ objective }) => objective) + 0.01 * worth(({ kl }) => kl), 12)
  })

  it('reach any tap, and the gradient goes through it', () => {
    const loss = traceLoss(({ tap }) => mean(tap('blocks.0.mlp.out')), terms).loss
    const { slope } = evaluate(graph({ hidden }, { slope: gradient(loss, hidden) }), { hidden: tensor([1, 2, 3, 4, 5, 6], [2, 3]) })
    for (const x of slope!.data) expect(x).toBeCloseTo(2 / 6, 12)
  })
})

it('entropy is that of the next token, the mean over tokens and then over completions', () => {
  // Two completions, of two tokens and of one: over four tokens alike, and at odds of three to one.
  const scores = table(tensor([0, 0, 0, 0, Math.log(3), 0, -1e9, -1e9, 0, 0, -1e9, -1e9], [3, 4]))
  const sides = [2, 1].map((length) => ({ logp: -1, reference: -1, length }))
  const scored = {
    ...scoredAt(1, sides, { labels: constant(1, [1]) }),
    weights: constant(1, [3]),
    logits: { policy: () => scores, teacher: () => scores },
    perSlot: (x: Value) => addRows(constant(0, [2]), table(tensor(Int32Array.of(0, 0, 1), [3])), x),
  }
  const second = Math.log(4) - 0.75 * Math.log(3)
  expect(value(dpo().terms(scored).entropy)).toBeCloseTo(((Math.log(4) + second) / 2 + Math.LN2) / 2, 6)
})

describe('kl', () => {
  it('V-KLEST-1: is the k2 estimator, beside k1 and k3', () => {
    for (const [u, third] of [
      [0.5, 0.1065306597],
      [-0.5, 0.1487212707],
    ] as const) {
      const shifted = { logp: u - 3, reference: -3, length: 1 }
      const { kl, k1, k3 } = dpo().terms(scoredAt(1, [shifted, shifted], { labels: constant(1, [1]) }))
      expect(value(kl)).toBeCloseTo(0.125, 12)
      expect(value(k1)).toBeCloseTo(u, 12)
      expect(value(k3)).toBeCloseTo(third, 9)
    }
  })

  it('V-KLEST-1: k1 and k3 are the KL in the mean over the policy’s own completions, k2 is near it', () => {
    const [reference, policy] = [
      [0.5, 0.3, 0.2],
      [0.03666671, 0.16255943, 0.80077385],
    ]
    const mean = { kl: 0, k1: 0, k3: 0 }
    policy!.forEach((p, y) => {
      const side = { logp: Math.log(p), reference: Math.log(reference![y]!), length: 1 }
      const terms = dpo().terms(scoredAt(1, [side, side], { labels: constant(1, [1]) }))
      for (const name of ['kl', 'k1', 'k3'] as const) mean[name] += p * value(terms[name])
    })
    expect(mean.k1).toBeCloseTo(0.9154754944, 7)
    expect(mean.kl).toBeCloseTo(0.9262093731, 7)
    expect(mean.k3).toBeCloseTo(0.9154754944, 7)
  })

  it('has the gradient of KL(policy ‖ reference) on completions in the policy’s own proportions', () => {
    const theta = input('theta', [3])
    const logp = theta.sub(logSumExp(theta))
    const reference = table(tensor(Float64Array.from([0.2, 0.3, 0.5], Math.log), [3]))
    const drawn = table(tensor(Int32Array.of(0, 1, 0, 2), [4]))
    const inputs = { labels: constant(1, [2]), reference: takeRows(reference, drawn), lengths: constant(1, [4]) }
    const { kl } = dpo().terms({ ...scoredAt(2, both, inputs), logps: takeRows(logp, drawn) })
    const exact = sum(softmax(theta).mul(logp.sub(reference)))
    const outputs = { estimated: gradient(kl, theta), exact: gradient(exact, theta) }
    const out = evaluate(graph({ theta }, outputs), { theta: tensor(Float64Array.from([0.5, 0.25, 0.25], Math.log), [3]) })
    for (const [i, x] of out.exact!.data.entries()) expect(out.estimated!.data[i]).toBeCloseTo(x, 12)
    expect(Math.abs(out.exact!.data[0]!)).toBeGreaterThan(0.1)
  })
})

describe('the terms of labelled completions', () => {
  const wanted = at.map(({ chosen }) => chosen)
  const labelled = kto().terms(scoredAt(2, wanted, { labels: constant(1, [2]), z0: constant(0) }))

  it('have the objective, its losses, the completions and their drift', () => {
    expect(value(traceLoss(({ losses }) => mean(losses), labelled).loss)).toBe(value(labelled.objective))
    expect(value(labelled.kl)).toBeCloseTo((1 + 0.25) / 4, 12)
    expect(labelled.completion.label.shape).toEqual([2])
  })

  it('say which terms they do not have', () => {
    expect(() => traceLoss(({ margin }) => mean(margin), labelled)).toThrow(
      'loss.margin: must be a term of the objective, got kto, which has none; labelled completions have `completion`',
    )
    expect(() => traceLoss(({ completion }) => mean(completion.logp), terms)).toThrow('a pair has `chosen` and `rejected`')
  })
})

it('groups with rewards have their completions, and what others of the group got', () => {
  const group = [points.A.chosen, points.A.rejected, points.B.rejected]
  const given = { rewards: numbers([1, 0, 0]), others: numbers([0, 0.5, 0.5]) }
  const grouped = drest().terms(scoredAt(1, group, given))
  expect(value(grouped.objective)).toBeCloseTo((12 - 7.5 - 7.5) / 3, 12)
  expect(value(sum(grouped.rewarded.reward))).toBe(1)
  expect(value(grouped.kl)).toBeCloseTo((1 + 1 + 1.25 ** 2) / 6, 12)
  expect(() => grouped.completion).toThrow(
    'loss.completion: must be a term of the objective, got drest, which has none; groups have `rewarded`',
  )
})

describe('what is refused', () => {
  const refused: [string, unknown, string][] = [
    ['a number', () => 3, 'loss: must return a Value, got number 3'],
    ['nothing', () => undefined, 'loss: must return a Value, got undefined'],
    ['an array', () => [], 'got an array'],
    ['a promise', async () => terms.objective, 'got an object'],
    ['a value per pair', ({ margin }: typeof terms) => margin, 'loss: must return a scalar f32[], got f32[2]; end with mean(…)'],
    ['an unknown tap', ({ tap }: typeof terms) => mean(tap('blocks.9.out')), 'got "blocks.9.out"; choose from embed, blocks.0.mlp.out'],
    ['a function that throws', ({ nothing }: never) => (nothing as { x: Value }).x, 'but it threw TypeError'],
  ]
  it.each(refused)('%s', (_, loss, message) => {
    expect(() => traceLoss(loss as CustomLoss, terms)).toThrow(UserError)
    expect(() => traceLoss(loss as CustomLoss, terms)).toThrow(message)
  })

  it('shapes that do not fit, while tracing', () => {
    expect(() => traceLoss(({ margin }) => mean(margin.add(constant(0, [5]))), terms)).toThrow(ShapeError)
  })

  it('the reference, where the objective has none', () => {
    const alone = side({ logp: input('logp', [2]), length: input('length', [2]) })
    expect(simpo().perPair({ chosen: alone, rejected: alone }).shape).toEqual([2])
    expect(() => alone.logRatio).toThrow('side.reference: must be there to be read')
  })
})

it('the manifest keeps the text of the function and its sha256', () => {
  const loss: CustomLoss = ({ objective, kl }) => objective.add(kl.mul(2))
  const { text, sha256 } = lossText(loss)
  expect(text).toContain('objective.add(kl.mul(2))')
  expect(sha256).toBe(createHash('sha256').update(text).digest('hex'))
  expect(lossText(({ objective }) => objective).sha256).not.toBe(sha256)
})

function fixed(which: 'chosen' | 'rejected') {
  const of = (part: 'logp' | 'reference' | 'length') =>
    table(
      tensor(
        Float64Array.from(at, (point) => point[which][part]),
        [at.length],
      ),
    )
  return side({ logp: of('logp'), reference: of('reference'), length: of('length') })
}

function value(y: Value): number {
  return evaluate(graph({ hidden }, { y }), { hidden: tensor([1, 2, 3, 4, 5, 6], [2, 3]) }).y!.data[0]!
}

function worth(loss: CustomLoss): number {
  return value(traceLoss(loss, terms).loss)
}
