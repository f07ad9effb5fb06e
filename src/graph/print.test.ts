import { expect, it } from 'vitest'
import { foldNames } from './fold-names.ts'
import { gradient } from './gradient.ts'
import { sigmoid } from './ops/elementwise.ts'
import { takeRows } from './ops/indexing.ts'
import { input } from './ops/leaf.ts'
import { linear } from './ops/linear.ts'
import { stopGradient, tap } from './ops/marks.ts'
import { mean, sum } from './ops/reduce.ts'
import { printGraph } from './print.ts'
import { graph, type Value } from './value.ts'

it('a small graph is written node by node, with names where values have them', () => {
  const [embed, tokens, unused] = [input('embed', [5, 3]), input('tokens', [2], 'i32'), input('unused', [1])]
  const x = tap('picked', takeRows(embed, tokens))
  const y = sum(x.mul(2).add(stopGradient(x)), [-1])
  expect(printGraph(graph({ embed, tokens, unused }, { y, picked: x }))).toBe(`%unused f32[1] = input   (not used)
%embed f32[5, 3] = input
%tokens i32[2] = input
%picked f32[2, 3] = takeRows(%embed, %tokens)
%1 f32[2, 3] = mul(%picked, 2)
%2 f32[2, 3] = stopGradient(%picked)   ! stop: the gradient is zero by declaration
%3 f32[2, 3] = add(%1, %2)
%4 f32[2, 1] = sum(%3, axes: [1])
return { y: %4, picked: %picked }
`)
})

it('a folded graph says what lies between taps, what is shared, what the gradient adds and what comes after it', () => {
  const weights = Array.from({ length: 4 }, (_, i) => input(`w.${i}`, [3, 3]))
  const start = input('x', [2, 3])
  const scale = sigmoid(input('s', []))
  let x = tap('in', start.mul(1))
  weights.forEach((w, i) => {
    x = tap(`layer.${i}.out`, linear(tap(`layer.${i}.act`, sigmoid(x).mul(scale)), w))
  })
  const loss = mean(x.mul(x))
  const slopes = gradient(loss, weights as unknown as Record<string, Value>)
  const norm = Object.values(slopes)
    .map((slope) => sum(slope.mul(slope)))
    .reduce((a, b) => a.add(b))
  const inputs = { ...Object.fromEntries(weights.map((w, i) => [`w.${i}`, w])), x: start, s: scale.inputs.x! }
  const outputs = Object.fromEntries(Object.values(slopes).map((slope, i) => [`grad.w.${i}`, slope]))
  expect(
    printGraph(graph(inputs, { loss, norm, ...outputs }), { nodes: 10 }),
  ).toBe(`97 nodes, 80 when run; 11 matrix products of 396 FLOP when run; 172 B in, 152 B out

inputs
  w.{0…3}  f32[3, 3] ×4
  x        f32[2, 3]
  s        f32[]

forward: 40 nodes
  shared.1  f32[]      ← s                               sigmoid
  in        f32[2, 3]  ← x                               mul
  layer.{0…3}  ×4
    .act    f32[2, 3]  ← in | layer.{i−1}.out, shared.1  sigmoid, mul
    .out    f32[2, 3]  ← .act, w.{i}                     transpose, matmul
  loss      f32[]      ← layer.3.out                     mul ×2, sum, reshape

gradient: 42 nodes, reading 12 values of the forward pass, 304 B
  mul ×12, reshape, broadcastTo, transpose ×11, matmul ×7, neg ×3, add ×3

after the gradient: 15 nodes
  mul ×4, sum ×4, reshape ×4, add ×3

outputs
  loss, norm    f32[] ×2
  grad.w.{0…3}  f32[3, 3] ×4

gradient marks: none, every gradient is the derivative of what is computed
`)
})

it('names fold by index first, then by word, and only with their own kind', () => {
  const names = [0, 1, 2].flatMap((i) => ['q', 'k', 'o'].map((name) => [`blocks.${i}.${name}`, name === 'o' ? 'wide' : 'tall'] as const))
  expect(foldNames([...names, ['tokens', 'row'], ['positions', 'row'], ['cache.7', 'c'], ['cache.9', 'c']])).toEqual([
    { pattern: 'blocks.{0…2}.{q,k}', kind: 'tall', count: 6 },
    { pattern: 'blocks.{0…2}.o', kind: 'wide', count: 3 },
    { pattern: 'tokens, positions', kind: 'row', count: 2 },
    { pattern: 'cache.{7,9}', kind: 'c', count: 2 },
  ])
})
