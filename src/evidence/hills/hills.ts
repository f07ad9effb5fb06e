import type { MeasureRow, Table } from '../../runs/index.ts'
import { armRow, armsIn, armValues, overSeeds, slopeOf } from '../arm-values.ts'
import { claim } from '../claim.ts'
import { codeBeside } from '../code-beside.ts'
import { say, sayInterval } from '../paragraph.ts'
import { type Descent, descend } from './descend.ts'
import { randomLandscape } from './landscape.ts'

/** The strength of the hills in the published toy, at 16 dimensions. */
export const publishedEps = 0.0025

const scalings = { fixed: () => publishedEps, neutral: (n: number) => publishedEps * Math.sqrt(16 / n) }
type Scaling = keyof typeof scalings
const sizes = { fixed: [4, 8, 16, 32, 64, 128, 256], neutral: [4, 8, 16, 32, 64, 128, 256] } as const
const armOf = (n: number, scaling: Scaling) => `n = ${n}, ${scaling}`
const dimensionArms = (['fixed', 'neutral'] as const).flatMap((scaling) =>
  sizes[scaling].map((n) => ({ n, scaling, arm: armOf(n, scaling) })),
)

/** Arms at 16 dimensions that change one thing of the descent. */
const variants: Readonly<Record<string, Partial<Descent>>> = {
  'no noise': { noise: 0 },
  'noise × 0.3': { noise: 0.3 },
  'noise × 3': { noise: 3 },
  'plain gradient': { update: 'plain' },
  momentum: { update: 'momentum' },
  Adam: { update: 'adam' },
}
const [flat, uncoupled, frozen, shuffled] = ['ε = 0', 'k₀ = 0', 'frozen x', 'shuffled splotches'] as const
const steps = 8000
/** From here on the final x₀ is not needed, and a run ends with its stall. */
const large = 128

/** Whether optimisation demons fade with dimension. */
export const hills = claim({
  name: 'hills',
  claim: 'Optimisation demons fade with dimension: with more dimensions gradient descent stalls later in the hills, or not at all.',
  source:
    'DaemonicSigil/tessellating-hills @ 2258ebf; the follow-up in 100 and 1,000 dimensions, UlisseMini/tessellating-hills @ 4f706f8, whose author calls it somewhat inconclusive',
  method: `Tessellating hills, exactly as published: five waves a splotch, a normalised step of 0.2, noise of about the same norm, ${steps} steps. The strength of the hills is either the same in every dimension (fixed, ε = ${publishedEps}) or falls with 1/√n (neutral), so that the gradient of hills of one size is of one size. A run has stalled at the first step at which the last 200 steps made less than a quarter of the free progress; one that never does counts as ${steps}. At 16 dimensions further arms change the noise and the optimizer.`,
  arms: [...dimensionArms.map(({ arm }) => arm), ...Object.keys(variants)],
  controls: [
    {
      arm: flat,
      must: 'never stall, and go as far as it is free to, 1,600',
      behaves(table) {
        const [stalled, x0] = [armValues(table, flat, 'stalled'), armRow(table, flat, 'x0')!]
        const most = Math.max(...stalled)
        return {
          met: most === 0 && Math.abs(x0.estimate - 1600) < 16,
          said: `${stalled.filter(Boolean).length} of ${stalled.length} stalled, x₀ is ${say(x0.estimate)}`,
        }
      },
    },
    {
      arm: uncoupled,
      must: 'leave the slope of x₀ at −1, since no hill acts on x₀',
      behaves(table) {
        const most = Math.max(...armValues(table, uncoupled, 'coupling'))
        return { met: most < 1e-9, said: `the largest distance from −1 is ${say(most)}` }
      },
    },
    {
      arm: frozen,
      must: 'never stall, since the hills along x₀ alone are periodic',
      behaves(table) {
        const stalled = armValues(table, frozen, 'stalled')
        return { met: Math.max(...stalled) === 0, said: `${stalled.filter(Boolean).length} of ${stalled.length} stalled` }
      },
    },
    {
      arm: shuffled,
      must: 'come further than the same hills unshuffled in every seed, since nothing reinforces itself',
      behaves(table) {
        const [mixed, same] = [armValues(table, shuffled, 'x0'), armValues(table, armOf(16, 'fixed'), 'x0')]
        const further = mixed.filter((x0, i) => x0 > same[i]!).length
        return { met: further === mixed.length, said: `${further} of ${mixed.length} did` }
      },
    },
  ],
  metric:
    'doublings of the step of the stall for each doubling of n, from 16 dimensions on, with the neutral scaling: the slope of a straight line in each seed, its mean over seeds',
  rule: 'Supports where the interval lies above 0.1 under both scalings; does not support where it lies below 0.1 under both; depends on the scaling where it lies above 0.1 under one and below under the other; otherwise cannot tell.',
  n: 20,
  quick: { seeds: 3, without: dimensionArms.filter(({ n }) => n > 64).map(({ arm }) => arm) },
  changes: [],
  module: import.meta.url,
  files: codeBeside(import.meta.url, './landscape', './descend'),

  run(arm, seed) {
    const size = dimensionArms.find((one) => one.arm === arm)
    const n = size?.n ?? 16
    const eps = size ? scalings[size.scaling](n) : arm === flat ? 0 : publishedEps
    const land = randomLandscape(n, eps, seed)
    if (arm === uncoupled) land.k0.fill(0)
    const untilStall = n >= large
    const found = descend(land, { steps, seed, untilStall, frozen: arm === frozen, shuffled: arm === shuffled, ...variants[arm] })
    const { stall, stalled, x0, largest, participation, coupling } = found
    return {
      stall,
      stalled: Number(stalled),
      ...(untilStall ? {} : { x0, 'largest |x|': largest, participation }),
      ...(arm === uncoupled ? { coupling } : {}),
    }
  },

  decide(table) {
    const [neutral, fixed] = [slopes(table, 'neutral'), slopes(table, 'fixed')]
    const { estimate, low, high, n } = neutral
    const sides = [neutral, fixed].map((slope) => (slope.low > margin ? 'later' : slope.high < margin ? 'not later' : 'unclear'))
    const verdict = sides.includes('unclear')
      ? 'cannot tell'
      : sides[0] !== sides[1]
        ? 'depends'
        : sides[0] === 'later'
          ? 'supports'
          : 'does not support'
    const dimensions = armsIn(
      table,
      sizes.neutral.map((size) => armOf(size, 'neutral')),
    ).at(-1)!
    const why = `with more dimensions the stall comes ${sides[0]} under the neutral scaling (${sayInterval(neutral)} up to ${dimensions.replace(', neutral', '')}) and ${sides[1]} with fixed hills (${sayInterval(fixed)})`
    return { verdict, estimate, low, high, n, why }
  },

  figures: (table) => [
    {
      table: { about: 'steps until the stall, means over seeds with 95 % intervals', rows: stallRows(table) },
      as: 'lines',
      axes: {
        title: 'Step of the stall',
        unit: 'steps',
        x: 'log₂ n',
        series: 'hills',
        span: [0, steps],
        about: `Up is later, which the claim says of more dimensions; the control at the top never stalls in ${steps} steps`,
      },
    },
    {
      table: {
        about: 'steps until the stall at 16 dimensions, means over seeds',
        rows: [armOf(16, 'fixed'), ...Object.keys(variants), flat, frozen, shuffled].map((arm) => namedRow(table, arm)),
      },
      as: 'intervals',
      axes: {
        title: 'At 16 dimensions',
        unit: 'step of the stall',
        y: 'arm',
        span: [0, steps],
        within: [0, steps],
        about: 'One thing changed at a time; controls in grey',
      },
    },
  ],
})
export default hills

const margin = 0.1

/** The slope of log₂ of the stall over log₂ n, by seed. */
function slopes(table: Table, scaling: Scaling) {
  const used = sizes[scaling].filter((n) => n >= 16 && armRow(table, armOf(n, scaling), 'stall'))
  const columns = used.map((n) => armValues(table, armOf(n, scaling), 'stall'))
  return overSeeds(scaling, columns, (...row) => slopeOf(row.map((stall, i) => [Math.log2(used[i]!), Math.log2(stall)])))
}

function stallRows(table: Table): MeasureRow[] {
  const curves = dimensionArms.flatMap(({ n, scaling, arm }) => {
    const row = armRow(table, arm, 'stall')
    return row
      ? [{ ...within(row), group: { hills: scaling === 'fixed' ? 'the same hills' : 'hills ∝ 1/√n', 'log₂ n': Math.log2(n) } }]
      : []
  })
  const control = armRow(table, flat, 'stall')
  return [...curves, ...(control ? [{ ...within(control), group: { hills: 'no hills (control)', 'log₂ n': 4 } }] : [])]
}

function namedRow(table: Table, arm: string): MeasureRow {
  const row = armRow(table, arm, 'stall')!
  return { ...within(row), group: { arm, kind: arm in variants || arm.startsWith('n =') ? 'plain' : 'prior' } }
}

/** An interval of a mean cannot leave the range of what it is a mean of. */
function within<T extends { readonly low: number; readonly high: number }>(row: T): T {
  return { ...row, low: Math.max(row.low, 0), high: Math.min(row.high, steps) }
}
