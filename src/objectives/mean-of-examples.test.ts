import { describe, expect, it } from 'vitest'
import {
  broadcastTo,
  concat,
  constant,
  exp,
  input,
  log,
  logSumExp,
  matmul,
  maximum,
  mean,
  reshape,
  slice,
  softmax,
  stopGradient,
  sum,
  table,
  tensor,
  transpose,
  type Value,
} from '../graph/index.ts'
import { isMeanOfExamples, type Of } from './mean-of-examples.ts'

const [a, b] = [input('a', [6]), input('b', [6])]
const rows = input('rows', [6, 4, 3])
const weight = input('params.w', [3, 3])
const z0 = input('z0', [])
const tokens = input('tokens', [9])
const slots = input('slots', [12])
const raw = input('raw', [2, 5, 3])
const unit = input('unit', [])
const sources = new Map<Value, Of>([
  [a, 'examples'],
  [b, 'examples'],
  [rows, 'examples'],
  [weight, 'constant'],
  [z0, 'constant'],
  [tokens, 'tokens'],
  [slots, 'slots'],
])
const pairwise = reshape(slots, [6, 2])

describe('a mean of numbers of single examples', () => {
  const means: [string, Value][] = [
    ['a mean', mean(a)],
    ['a mean of a function of two', mean(exp(a.sub(b).mul(0.5)).add(1))],
    [
      'means added and scaled',
      mean(a)
        .add(mean(b.mul(b)).mul(0.01))
        .sub(3),
    ],
    ['a mean over both sides of pairs', mean(concat([a, b], 0)).mul(0.5)],
    ['a sum divided by how many there are', sum(a).div(6)],
    ['a number of each from many', mean(sum(rows.mul(rows), [1, 2]))],
    ['a product with a parameter', mean(sum(matmul(rows, weight), [1, 2]))],
    ['each with itself', mean(sum(matmul(rows, transpose(rows)), [1, 2]))],
    ['a softmax within each', mean(sum(softmax(rows).mul(rows), [1, 2]))],
    ['a log-sum within each', mean(reshape(logSumExp(rows), [6, 4]))],
    ['a part of each', mean(sum(slice(rows, 1, 0, 2), [1, 2]))],
    ['less a constant of the step', mean(maximum(a.sub(z0), 0))],
    ['what depends on no example', sum(weight.mul(weight))],
    ['that and a mean', mean(a).add(sum(weight.mul(weight)))],
    ['tokens by the unit', sum(exp(tokens)).mul(unit)],
    ['its gradient stopped', mean(a.mul(stopGradient(b)))],
    ['one of several axes in front', mean(sum(transpose(rows, [1, 0, 2]), [0, 2]))],
    ['broadcast over its own', mean(sum(broadcastTo(reshape(a, [6, 1, 1]), [6, 4, 3]).mul(rows), [1, 2]))],
  ]
  it.each(means)('%s', (_, loss) => {
    expect(isMeanOfExamples(loss, sources, unit)).toBe(true)
  })
})

describe('not one', () => {
  const others: [string, Value][] = [
    ['a sum', sum(a)],
    ['a sum divided by another number', sum(a).div(7)],
    ['a product of two means', mean(a).mul(mean(b))],
    ['a variance', mean(a.mul(a)).sub(mean(a).mul(mean(a)))],
    ['a function of a mean', log(mean(a))],
    ['a mean in the denominator', constant(1).div(mean(a))],
    ['each less the mean of all', mean(exp(a.sub(mean(a))))],
    ['a log-sum over examples', sum(logSumExp(a))],
    ['a softmax over examples', mean(softmax(a).mul(a))],
    ['some of the examples', mean(slice(a, 0, 0, 3))],
    ['products between examples', mean(matmul(reshape(a, [6, 1]), reshape(b, [1, 6])))],
    ['what belongs to places in the batch', mean(a.mul(table(tensor([1, 2, 3, 4, 5, 6], [6]))))],
    ['a mean of tokens, of which some are padding', mean(tokens)],
    ['a mean of completions of which examples have any number', mean(pairwise)],
    ['the raw rows', mean(raw)],
    ['the raw rows with a mean', mean(a).add(mean(raw))],
    ['a sum by the unit, which counts other things', sum(a).mul(unit)],
  ]
  it.each(others)('%s', (_, loss) => {
    expect(isMeanOfExamples(loss, sources, unit)).toBe(false)
  })
})
