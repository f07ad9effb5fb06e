import { describe, expect, it } from 'vitest'
import { adam, backward, crossEntropy, forward, freshNet, placesOf, widths } from './dense-net.ts'
import { stream } from './stream.ts'

describe('a dense network', () => {
  const draw = stream(3, 'net')
  const layers = [
    { inputs: 3, outputs: 4, relu: true, residual: false },
    { inputs: 4, outputs: 4, relu: true, residual: true },
    { inputs: 4, outputs: 2, relu: false, residual: false },
  ]
  const fresh = freshNet(layers, draw)
  const net = { layers, weights: fresh.weights.map((w) => w + 0.1 * draw.normal()) }
  const rows = Float64Array.from({ length: 15 }, () => draw.normal())
  const labels = [0, 1, 1, 0, 1]
  const lossAt = (weights: Float64Array, x = rows) => crossEntropy(forward({ layers, weights }, x).at(-1)!, labels).loss

  it('has the slopes of central differences, by weights and by inputs', () => {
    const states = forward(net, rows)
    const slopes = backward(net, states, crossEntropy(states.at(-1)!, labels).slope)
    const h = 1e-6
    const nudged = (values: Float64Array, i: number, by: number) => values.map((x, k) => (k === i ? x + by : x))
    net.weights.forEach((_, i) => {
      const slope = (lossAt(nudged(net.weights, i, h)) - lossAt(nudged(net.weights, i, -h))) / (2 * h)
      expect(slopes.weights[i]).toBeCloseTo(slope, 7)
    })
    rows.forEach((_, i) => {
      const slope = (lossAt(net.weights, nudged(rows, i, h)) - lossAt(net.weights, nudged(rows, i, -h))) / (2 * h)
      expect(slopes.inputs[i]).toBeCloseTo(slope, 7)
    })
  })

  it('has weights in one vector, layer after layer', () => {
    expect(placesOf(layers)).toEqual([0, 16, 36, 46])
    expect(widths(3, 5, 2).map(({ inputs, outputs, relu }) => [inputs, outputs, relu])).toEqual([
      [3, 5, true],
      [5, 2, false],
    ])
  })

  it('takes a first step of Adam as long as the rate, against the sign of the slope', () => {
    const weights = Float64Array.of(1, 1, 1)
    adam(weights, 0.1, Float64Array.of(1, 1, 0.5))(Float64Array.of(3, -0.2, 7))
    const expected = [0.9, 1.1, 0.95]
    expected.forEach((w, i) => {
      expect(weights[i]).toBeCloseTo(w, 7)
    })
  })
})
