import { exactly, type MeasureRow, type Table } from '../../runs/index.ts'
import { armRow, armValues, overSeeds, slopeOf } from '../arm-values.ts'
import { claim } from '../claim.ts'
import { codeBeside } from '../code-beside.ts'
import { say, sayInterval } from '../paragraph.ts'
import { stream } from '../stream.ts'
import { evaluationsByDistance, ways } from './distance.ts'
import { evaluationsOfNetwork } from './network.ts'

const sizes = { 'linear network': [100, 1000, 10_000, 100_000], 'tanh network': [100, 316, 1000] } as const
type Kind = keyof typeof sizes
const kinds = ['linear network', 'tanh network'] as const
const armOf = (kind: Kind, n: number) => `${kind}, ${n} parameters`
const dimensionArms = kinds.flatMap((kind) => sizes[kind].map((n) => ({ kind, n, arm: armOf(kind, n) })))
const one = 'one parameter'
const others = ways.slice(1)

/** How many evaluations of the loss each way to learn needs, by the number of parameters. */
export const credit = claim({
  name: 'credit',
  claim:
    'Gradient descent tells every parameter at once what to change, so unlike selection it does not become slower with more parameters.',
  source:
    'Pope, “Evolution provides no evidence for the sharp left turn”; Rechenberg 1973 and Beyer 2001 for selection, Salimans et al. 2017 for evolution strategies, Williams 1992 for REINFORCE, Nesterov and Spokoiny 2017 for random directions',
  method:
    'The same network learns the same task in four ways that differ in what an evaluation of the loss tells: the whole gradient (counted as three evaluations), one slope along a random direction (an antithetic pair), one reward, or one bit (better or not). Counted are evaluations until the loss is a hundredth of what it was, in a linear network with white inputs, where every parameter matters alike; and until it is a tenth of the mean square, in a tanh network that learns sin 3x on 16 places, where few directions matter. Rates follow theory on the sphere in the first and the curvature at the start in the second, and favour none.',
  arms: dimensionArms.map(({ arm }) => arm),
  controls: [
    {
      arm: one,
      must: 'be alike for all four ways: no median over ten times another',
      behaves(table) {
        const medians = ways.map((way) => 10 ** armRow(table, one, way)!.estimate)
        const ratio = Math.max(...medians) / Math.min(...medians)
        return { met: ratio < 10, said: `the most is ${say(ratio)} times the least (geometric means ${medians.map(say).join(', ')})` }
      },
    },
  ],
  metric:
    'the exponent of the number of parameters in the number of evaluations: the least of the three other ways less that of backpropagation, in the linear network',
  rule: 'Supports where the interval lies above ½ in both networks; does not support where it lies below ½ in both; depends on the task where it lies above in one and below in the other; otherwise cannot tell.',
  n: 20,
  quick: { seeds: 3, without: [armOf('linear network', 100_000), armOf('tanh network', 1000)] },
  changes: [],
  module: import.meta.url,
  files: codeBeside(import.meta.url, './distance', './network', '../mlp'),

  run(arm, seed) {
    const size = dimensionArms.find((each) => each.arm === arm)
    const [kind, n] = [size?.kind ?? 'linear network', size?.n ?? 1]
    const needed = (way: (typeof ways)[number]) =>
      kind === 'tanh network'
        ? evaluationsOfNetwork(way, n, seed)
        : evaluationsByDistance(way, n, stream(seed, `evidence credit ${way} ${n}`))
    return Object.fromEntries(ways.map((way) => [way, Math.log10(needed(way))]))
  },

  decide(table) {
    const [linear, curved] = kinds.map((kind) => advantage(table, kind)) as [Slope, Slope]
    const { estimate, low, high, n } = linear
    const sides = [linear, curved].map((slope) => (slope.low > 0.5 ? 'above' : slope.high < 0.5 ? 'below' : 'unclear'))
    const verdict = sides.includes('unclear')
      ? 'cannot tell'
      : sides[0] !== sides[1]
        ? 'depends'
        : sides[0] === 'above'
          ? 'supports'
          : 'does not support'
    const why = `where every parameter matters, evaluations grow by the power ${sayInterval(linear)} faster than with backpropagation (least for ${linear.way}); in a tanh network where few directions matter, by ${sayInterval(curved)} (least for ${curved.way})`
    return { verdict, estimate, low, high, n, why }
  },

  figures: (table) =>
    kinds.map((kind) => ({
      table: { about: 'powers of ten of evaluations, means over seeds with 95 % intervals', rows: curves(table, kind) },
      as: 'lines',
      axes: {
        title: `Evaluations, ${kind}`,
        unit: 'powers of ten',
        x: 'log₁₀ parameters',
        series: 'way',
        span: [0, 6],
        about:
          kind === 'linear network'
            ? 'Flat is as quick with more parameters; on the left the control, one parameter'
            : 'The same where few directions matter',
      },
    })),
})
export default credit

interface Slope {
  readonly estimate: number
  readonly low: number
  readonly high: number
  readonly n: number
  readonly way: string
}

/** The least exponent of the other ways less that of backpropagation. */
function advantage(table: Table, kind: Kind): Slope {
  const used = sizes[kind].filter((n) => armRow(table, armOf(kind, n), ways[0]))
  const slopes = (way: string) => {
    const columns = used.map((n) => armValues(table, armOf(kind, n), way))
    return columns[0]!.map((_, seed) => slopeOf(columns.map((column, i) => [Math.log10(used[i]!), column[seed]!])))
  }
  const base = slopes(ways[0])
  const all = others.map((way) => ({ way, ...overSeeds(way, [slopes(way), base], (a, b) => a - b) }))
  return all.reduce((least, each) => (each.estimate < least.estimate ? each : least))
}

function curves(table: Table, kind: Kind): MeasureRow[] {
  return ways.flatMap((way) => {
    const control = kind === 'linear network' ? armRow(table, one, way) : undefined
    const first = control ? [{ ...control, group: { way, 'log₁₀ parameters': 0 } }] : []
    const rest = sizes[kind].flatMap((n) => {
      const row = armRow(table, armOf(kind, n), way)
      return row
        ? [{ ...exactly(way, row.estimate, { way, 'log₁₀ parameters': Math.log10(n) }), low: row.low, high: row.high, n: row.n }]
        : []
    })
    return [...first, ...rest]
  })
}
