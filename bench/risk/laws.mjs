// The laws of one completion, each with its mean and deviation, and the measure of the product that is taken of them.
import * as accept from '../../dist/accept/index.js'
import * as before from './before.mjs'

const methods = { now: accept, before }

/** A real number a completion, without a range; `law` draws it. */
const real = (about, mean, deviation, law) => ({
  about,
  kind: 'no range',
  mean,
  deviation,
  draw: law,
  measure: (values, method) => methods[method].meanOf('x', values, ''),
})

/** The same with a range that it is declared to lie in. */
const ranged = (about, range, mean, deviation, law) => ({
  about,
  kind: 'declared range',
  range,
  mean,
  deviation,
  draw: law,
  measure: (values, method) => methods[method].meanOf('x', values, '', range),
})

const share = (p) => ({
  about: `share of ${p}`,
  kind: 'share',
  range: [0, 1],
  mean: p,
  deviation: Math.sqrt(p * (1 - p)),
  draw: ({ uniform }) => uniform() < p,
  measure: (values, method) => methods[method].shareEnded(values),
})

const logNormal = (sigma) => [Math.exp(sigma ** 2 / 2), Math.sqrt(Math.expm1(sigma ** 2) * Math.exp(sigma ** 2))]
const spiked = (height) => [0.02 * height, Math.sqrt(1 + 0.02 * 0.98 * height ** 2)]

export const laws = {
  normal: real('normal', 0, 1, ({ normal }) => normal()),
  exponential: real('exponential', 1, 1, ({ uniform }) => -Math.log(uniform())),
  'log-normal 1': real('log-normal, σ 1', ...logNormal(1), ({ normal }) => Math.exp(normal())),
  'log-normal 1.5': real('log-normal, σ 1.5', ...logNormal(1.5), ({ normal }) => Math.exp(1.5 * normal())),
  'student 2.1': real('Student t, 2.1 degrees', 0, Math.sqrt(21), ({ normal, gamma }) => normal() / Math.sqrt((2 * gamma(1.05)) / 2.1)),
  'pareto 2.5': real('Pareto 2.5', 2.5 / 1.5, Math.sqrt(2.5 / 0.5 - (2.5 / 1.5) ** 2), ({ uniform }) => uniform() ** (-1 / 2.5)),
  'spikes 10': real('normal, and 2 % are 10 higher', ...spiked(10), ({ normal, uniform }) => normal() + (uniform() < 0.02 ? 10 : 0)),
  'spikes 50': real('normal, and 2 % are 50 higher', ...spiked(50), ({ normal, uniform }) => normal() + (uniform() < 0.02 ? 50 : 0)),
  'bare spikes': real('2 % are 50, the rest 0', 1, Math.sqrt(49), ({ uniform }) => (uniform() < 0.02 ? 50 : 0)),
  'goal 1 %': real('a goal that holds in 1 %, no range declared', 0.01, Math.sqrt(0.0099), ({ uniform }) => (uniform() < 0.01 ? 1 : 0)),
  'length ratio': {
    about: 'length ratio, both log-normal σ 0.5',
    kind: 'no range',
    mean: 1,
    deviation: Math.sqrt(2 * Math.expm1(0.25)),
    draw: ({ normal }) => [Math.exp(0.5 * normal()), Math.exp(0.5 * normal())],
    measure: (values, method) =>
      methods[method].lengthRatio(
        values.map((group) => group.map(([x]) => x)),
        values.map((group) => group.map(([, y]) => y)),
      ),
  },
  'rare losses, no range': real('−1 in 2 %, else 0, no range declared', -0.02, Math.sqrt(0.0196), ({ uniform }) =>
    uniform() < 0.02 ? -1 : 0,
  ),
  'rare losses': {
    about: 'win rate: ties, and losses in 2 %',
    kind: 'share',
    range: [0, 1],
    mean: 0.49,
    deviation: Math.sqrt(0.0196) / 2,
    draw: ({ uniform }) => (uniform() < 0.02 ? [0, 1] : [1, 1]),
    measure: (values, method) => methods[method].winRate(values),
  },
  'share 0.5': share(0.5),
  'share 0.7': share(0.7),
  'share 0.9': share(0.9),
  'share 0.95': share(0.95),
  'share 0.99': share(0.99),
  'share 0.01': share(0.01),
  'spikes, range': ranged(
    '2 % are 50, the rest 0 … 1',
    [0, 50],
    0.98 * 0.5 + 1,
    Math.sqrt(0.98 / 3 + 50 - (0.98 * 0.5 + 1) ** 2),
    ({ uniform }) => (uniform() < 0.02 ? 50 : uniform()),
  ),
  'arcsine, range': ranged('arcsine in 0 … 1', [0, 1], 0.5, Math.sqrt(1 / 8), ({ uniform }) => Math.sin((Math.PI / 2) * uniform()) ** 2),
}
