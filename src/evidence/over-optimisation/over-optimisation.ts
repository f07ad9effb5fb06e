import { boundedMean, tail } from '../../accept/index.ts'
import { bestOfNBound } from '../../rewards/index.ts'
import { type Estimate, type MeasureRow, meanOver, type Table } from '../../runs/index.ts'
import { armRow, armsIn, armValues, overSeeds } from '../arm-values.ts'
import { claim, type EvidenceVerdict } from '../claim.ts'
import { codeBeside } from '../code-beside.ts'
import { say, sayInterval } from '../paragraph.ts'
import { stream } from '../stream.ts'
import { bestOfCurve, counts, distances, gradientCurve } from './curves.ts'
import { type NoisyReward, worldOf } from './world.ts'

const heavy: NoisyReward = { tail: 'heavy', members: 1, shared: 1, pessimism: 0, seesGold: true }
const four: NoisyReward = { ...heavy, members: 4, shared: 0.5 }
const [main, normal] = ['heavy-tailed error', 'normal error'] as const
const [average, less, lesser, worst] = ['mean of four', 'mean − sd', 'mean − 2 sd', 'worst of four'] as const
const [none, alone, copies] = ['no error', 'error alone', 'worst of four copies'] as const
const ensembles = [average, less, lesser, worst] as const
const proxies: Readonly<Record<string, NoisyReward>> = {
  [main]: heavy,
  [normal]: { ...heavy, tail: 'normal' },
  [average]: four,
  [less]: { ...four, pessimism: 1 },
  [lesser]: { ...four, pessimism: 2 },
  [worst]: { ...four, pessimism: 'worst' },
  [none]: { ...heavy, tail: 'none' },
  [alone]: { ...heavy, seesGold: false },
  [copies]: { ...four, shared: 1, pessimism: 'worst' },
}
const held = 'steps until a tenth is lost'

/** A reward that is gold plus error, optimised further and further: by the best of n and by a policy gradient. */
export const overOptimisation = claim({
  name: 'over-optimisation',
  claim:
    'Optimised against gold plus a heavy-tailed error, a policy’s gold rises, peaks and falls while the reward goes on rising; a stop rule that looks at gold ends training within a tenth of the highest gold.',
  source:
    'Gao, Schulman and Hilton 2022, arXiv:2210.10760; Kwa et al. 2024, arXiv:2407.14503, on heavy tails; Coste et al. 2023, arXiv:2310.02743, on ensembles',
  method:
    'A completion is a point in 8 dimensions, a prompt has 4 features, and the reference says a standard normal point. Gold is w(x)·y − ½(|y|² − 8): each prompt likes a direction, and what strays costs. The reward is gold plus 0.4·(v·y)³, an error along a direction of its own, or plus v·y, which is normal. The best of n is taken of 8,192 completions of 8 prompts, up to n = 4,096. The policy is a dense layer from a prompt’s features to the mean of its completions, trained by GRPO without a KL term (16 prompts, groups of 8, Adam) until √KL = 3.5 or for 600 steps. Gold and KL of a policy are exact; the stop rule sees 256 completions every ten steps: the reward above and gold below what they were at the best look, three looks in a row, the fall beyond both half intervals. The policy of the best look is kept. Members of an ensemble have half of their error in common.',
  arms: [main, normal, ...ensembles],
  controls: [
    {
      arm: none,
      must: 'keep its gold: less than a twentieth of the highest is lost, however far it is optimised',
      behaves(table) {
        const [gradient, best] = [lostIn(table, none), lostIn(table, none, ', best of n')]
        return {
          met: Math.max(gradient.high, best.high) < 0.05,
          said: `${sayInterval(gradient)} is lost, ${sayInterval(best)} with the best of n`,
        }
      },
    },
    {
      arm: none,
      must: 'not be stopped, since the reward cannot rise while gold falls',
      behaves(table) {
        const fired = sumOf(table, none, 'fired')
        return { met: fired === 0, said: `${fired} of ${armRow(table, none, 'fired')!.n} runs were stopped` }
      },
    },
    {
      arm: alone,
      must: 'end with less gold than the reference has: there is none in the reward, and what strays costs',
      behaves(table) {
        const gold = meanOver('gold', armValues(table, alone, `gold, d = ${distances.at(-1)}`))
        return { met: gold.high < 0, said: `gold is ${sayInterval(gold)}` }
      },
    },
    {
      arm: copies,
      must: 'be the same as one reward, to the digit: members that agree are in no doubt',
      behaves(table) {
        const moved = overSeeds('moved', [held, 'peak', 'lost'].flatMap((name) => [armValues(table, copies, name), armValues(table, main, name)]), (a, b, c, d, e, f) => Math.abs(a! - b!) + Math.abs(c! - d!) + Math.abs(e! - f!)) // biome-ignore format: one line
        return { met: moved.high === 0, said: `steps, peak and loss differ by ${say(moved.estimate)}` }
      },
    },
  ],
  metric: `share of the highest gold that is lost at √KL = ${distances.at(-1)} by a policy gradient, mean over seeds with Student’s 95 % interval; 1 is back at the reference, more is below it`,
  rule: 'Gold falls where the interval of what is lost lies above 0.1, and stays where it lies below, by a policy gradient and by the best of n. The rule saves where at least 0.8 of the runs are kept within a tenth of their highest gold, with a 95 % interval above 0.5. Supports where gold falls both ways and the rule saves; does not support where gold stays both ways, or where it falls and the share’s interval is below 0.8; depends where gold falls one way and stays the other; otherwise it cannot tell.',
  n: 20,
  quick: { seeds: 3, without: [less, worst] },
  changes: [],
  module: import.meta.url,
  files: codeBeside(import.meta.url, 'world', 'policy', 'curves', '../dense-net', '../stream', '../../accept/runaway', '../../rewards/over-optimisation', '../../rewards/best-of-sample'), // biome-ignore format: one line

  run(arm, seed) {
    const world = worldOf(proxies[arm]!, seed)
    return {
      ...bestOfCurve(world, stream(seed, 'over-optimisation best of n')),
      ...gradientCurve(world, stream(seed, 'over-optimisation training')),
    }
  },

  decide(table) {
    const lost = lostIn(table, main)
    const best = lostIn(table, main, ', best of n')
    const saved = savedShare(table)
    const { estimate, low, high, n } = lost
    const moved = armsIn(table, ensembles).map((arm) => `${say(armRow(table, arm, held)!.estimate)} with ${arm}`)
    const numbers = [['alpha', 'beta', 'r2'], ['alpha, best of n', 'beta, best of n', 'r2, best of n']].map((names) => names.map((name) => meanOver(name, armValues(table, main, name)))) // biome-ignore format: one line
    const [rl, bon] = numbers.map(([a, b, r2]) => `α = ${sayInterval(a!)}, β = ${sayInterval(b!)}, R² = ${say(r2!.estimate)}`)
    const why = `gold is highest at √KL = ${say(armRow(table, main, 'peak')!.estimate)} by a policy gradient and ${say(armRow(table, main, 'peak, best of n')!.estimate)} by the best of n, which loses ${sayInterval(best)}; with a normal error ${say(lostIn(table, normal).estimate)} is lost; the stop rule keeps within a tenth of the highest gold in ${Math.round(saved.estimate * saved.n)} of ${saved.n} runs, ${sayInterval(saved)}; a tenth is lost after ${say(armRow(table, main, held)!.estimate)} steps with one reward, ${moved.join(', ')}; the laws: d(α − β log d) with ${rl}, d(α − βd) with ${bon}`
    return { verdict: verdictOf(lost, best, saved), estimate, low, high, n, why }
  },

  figures: (table) => [
    {
      table: { about: 'gold and reward over √KL, by a policy gradient', rows: curveRows(table, distances, (d) => [d, `d = ${d}`]) },
      as: 'lines',
      axes: {
        title: 'By a policy gradient',
        unit: 'gold',
        x: 'd',
        xLabel: '√KL from the reference',
        series: 'series',
        about: 'Mean and 95 % interval over seeds. The control without an error must not fall; it ends where gold is highest',
      },
    },
    {
      table: {
        about: 'gold and reward over √KL, by the best of n',
        rows: curveRows(table, counts, (n) => [Math.sqrt(bestOfNBound(n)), `best of ${n}`]),
      },
      as: 'lines',
      axes: {
        title: 'By the best of n',
        unit: 'gold',
        x: 'd',
        xLabel: '√KL = √(log n − (n − 1)/n)',
        series: 'series',
        about: 'Mean and 95 % interval over seeds, n from 1 to 4,096',
      },
    },
    {
      table: {
        about: 'steps until a tenth of the highest gold is lost',
        rows: [main, ...armsIn(table, ensembles), ...armsIn(table, [copies])].map((arm) => ({
          ...armRow(table, arm, held)!,
          name: arm,
          group: { arm: arm === main ? 'one reward' : arm, kind: arm === copies ? 'prior' : 'plain' },
        })),
      },
      as: 'intervals',
      axes: {
        title: 'How long ensembles hold',
        unit: 'steps until a tenth of the highest gold is lost',
        y: 'arm',
        about:
          'Members have half of their error in common. The last is a control: copies are in no doubt and must hold as long as one reward',
      },
    },
    {
      table: {
        about: '√KL at which gold is highest',
        rows: [main, ...armsIn(table, ensembles)].map((arm) => ({
          ...armRow(table, arm, 'peak')!,
          name: arm,
          group: { arm: arm === main ? 'one reward' : arm, kind: 'plain' },
        })),
      },
      as: 'intervals',
      axes: { title: 'Where gold is highest', unit: '√KL', y: 'arm', about: 'By a policy gradient' },
    },
  ],
})
export default overOptimisation

function lostIn(table: Table, arm: string, way: '' | ', best of n' = ''): Estimate {
  return meanOver('lost', armValues(table, arm, `lost${way}`), 'share')
}

function sumOf(table: Table, arm: string, name: string): number {
  return armValues(table, arm, name).reduce((sum, x) => sum + x, 0)
}

/** The share of runs that the stop rule keeps within a tenth of their highest gold, with Clopper and Pearson's interval. */
function savedShare(table: Table): Estimate {
  const values = armValues(table, main, 'within a tenth')
  const [low, high] = boundedMean(values, [0, 1], tail)
  return { estimate: values.reduce((sum, x) => sum + x, 0) / values.length, low, high, n: values.length, unit: 'share' }
}

function verdictOf(gradient: Estimate, best: Estimate, saved: Estimate): EvidenceVerdict {
  const [falls, stays] = [[gradient, best].filter(({ low }) => low > 0.1).length, [gradient, best].filter(({ high }) => high < 0.1).length]
  if (falls === 2 && saved.estimate >= 0.8 && saved.low > 0.5) return 'supports'
  if (stays === 2 || (falls === 2 && saved.high < 0.8)) return 'does not support'
  return falls === 1 && stays === 1 ? 'depends' : 'cannot tell'
}

/** Gold with and without an error, the law, and the reward, which is drawn a tenth as high. */
function curveRows<T>(table: Table, at: readonly T[], place: (one: T) => [number, string]): MeasureRow[] {
  const series = [
    ['gold', main, 'gold', 1],
    ['law', main, 'its law', 1],
    ['gold', none, 'gold, no error', 1],
    ['reward', main, 'a tenth of the reward', 0.1],
  ] as const
  return series.flatMap(([name, arm, said, scale]) =>
    armsIn(table, [arm]).flatMap(() =>
      at.map((one) => {
        const [d, key] = place(one)
        const found = overSeeds(name, [armValues(table, arm, `${name}, ${key}`)], (x) => scale * x)
        return { name, ...found, group: { d, series: said } }
      }),
    ),
  )
}
