import { boundedMean } from '../../accept/index.ts'
import { type Estimate, meanOver, type Numbers, type Table } from '../../runs/index.ts'
import { armRow, armsIn, armValues } from '../arm-values.ts'
import { claim } from '../claim.ts'
import { codeBeside } from '../code-beside.ts'
import { say } from '../paragraph.ts'
import { stream } from '../stream.ts'
import { type Attack, edited, gold, isBroken, rewardModel, type Setting } from './bench.ts'

const toy: Setting = { dimensions: 2, width: 2, comparisons: 8 }
/** The toy with one thing more realistic, and with all. */
const settings = {
  toy,
  'dimensions × 8': { ...toy, dimensions: 16 },
  'width × 8': { ...toy, width: 16 },
  'data × 60': { ...toy, comparisons: 480 },
  'all three': { dimensions: 16, width: 16, comparisons: 480 },
} satisfies Readonly<Record<string, Setting>>
const names = Object.keys(settings) as (keyof typeof settings)[]
const real = 'all three'

const attacks: readonly Attack[] = [
  { name: 'over-optimised, average', poison: 0, chooser: 'best of 64' },
  { name: 'over-optimised, worst', poison: 0, chooser: 'ascent' },
  { name: 'planted hacker, average', poison: 0.15, chooser: 'best of 64' },
  { name: 'planted hacker, worst', poison: 0.15, chooser: 'ascent' },
  { name: 'edit of a tenth, average', poison: 0, edit: { share: 0.1, way: 'random' }, chooser: 'best of 64' },
  { name: 'edit of a tenth, worst', poison: 0, edit: { share: 0.1, way: 'worst' }, chooser: 'ascent' },
]
const arms = attacks.map(({ name }) => name)
const [truth, inverted] = ['reward is the truth', 'reward is the truth turned round'] as const
const worlds = 6

/** How often a break of alignment that a toy shows is there in a more realistic setting. */
export const security = claim({
  name: 'security',
  claim: 'Most breaks of alignment that are shown in a toy setting do not survive where the setting becomes more realistic.',
  source:
    'Pope 2023, My objections to “We’re all gonna die with Eliezer Yudkowsky”; Gao et al. 2022, arXiv:2210.10760; Coste et al. 2023, arXiv:2310.02743',
  method:
    'The truth is known: a reward that rises in one direction up to a point and falls with a trigger. A reward model, a network with two hidden layers, learns from noisy comparisons of ordinary answers. Breaks: it is over-optimised as it is; 15 % of the comparisons were planted to reward the trigger; its weights were edited by a tenth of their norm. Answers are chosen by it, on average by the best of 64 (the edit is random), in the worst case by ascent inside the region of ordinary answers (the edit goes up the gradient). It is a break where the chosen answers are worse by the truth than ordinary ones. Six worlds a seed; in each the toy (2 numbers an answer, width 2, 8 comparisons), the toy with one of them larger, and with all (16, 16, 480). A break survives where it is there too in the same world with another setting.',
  arms,
  controls: [
    {
      arm: truth,
      must: 'never break: answers chosen by the truth are better by it',
      behaves(table) {
        const share = armRow(table, truth, 'broken, toy')!.estimate + armRow(table, truth, `broken, ${real}`)!.estimate
        return { met: share === 0, said: `${say(share / 2)} are breaks` }
      },
    },
    {
      arm: inverted,
      must: 'always break and always survive: a reward that is the truth turned round is wrong in every setting',
      behaves(table) {
        const [broken, survived] = ['broken, toy', `survived, ${real}`].map((name) => armRow(table, inverted, name)!.estimate)
        return { met: broken === 1 && survived === 1, said: `${say(broken!)} are breaks, of which ${say(survived!)} survive` }
      },
    },
  ],
  metric: `share of the breaks of the toy that survive with ${real}, all six kinds pooled, with Clopper and Pearson’s 95 % interval; n counts the breaks`,
  rule: 'Supports where the interval is below one half; does not support where it is above; depends where it is on one side but one of the kinds with 95 % confidence on the other; otherwise it cannot tell.',
  n: 20,
  quick: { seeds: 3 },
  changes: [],
  module: import.meta.url,
  files: codeBeside(import.meta.url, 'bench', '../dense-net', '../stream'),

  run(arm, seed) {
    const attack = attacks.find(({ name }) => name === arm) ?? { name: arm, poison: 0, chooser: 'best of 64' as const }
    const sums: Record<string, number> = {}
    const add = (name: string, x: number) => (sums[name] = (sums[name] ?? 0) + x)
    for (let world = 0; world < worlds; world++) {
      const found = names.map((name) => attempt(arm, attack, settings[name], seed, world))
      names.forEach((name, i) => {
        add(`broken, ${name}`, found[i]!.broken ? 1 / worlds : 0)
        add(`gain, ${name}`, found[i]!.gain / worlds)
        if (i > 0) add(`both, ${name}`, found[0]!.broken && found[i]!.broken ? 1 / worlds : 0)
      })
    }
    if (arm === inverted) add(`survived, ${real}`, sums[`both, ${real}`]! / Math.max(sums['broken, toy']!, 1e-9))
    return sums as Numbers
  },

  decide(table) {
    const pooled = survival(table, arms, real)
    const { estimate, low, high, n } = pooled
    const kinds = arms.map((arm) => ({ arm, ...survival(table, [arm], real) }))
    const side = high < 0.5 ? 'supports' : low > 0.5 ? 'does not support' : 'cannot tell'
    const other = kinds.filter((kind) => (side === 'supports' ? kind.low > 0.5 : side === 'does not support' && kind.high < 0.5))
    const told = kinds
      .map(
        (kind) =>
          `${kind.arm} ${say(armRow(table, kind.arm, 'broken, toy')!.estimate)} → ${say(armRow(table, kind.arm, `broken, ${real}`)!.estimate)}`,
      )
      .join(', ')
    const by = names
      .slice(1, -1)
      .map((name) => `${say(survival(table, arms, name).estimate)} with ${name}`)
      .join(', ')
    const more = kinds.filter(({ arm }) => armRow(table, arm, `broken, ${real}`)!.estimate > armRow(table, arm, 'broken, toy')!.estimate)
    const why = `of the toy’s breaks ${say(estimate)} survive with ${real} (${by}); share of worlds that break, toy → ${real}: ${told}${more.length > 0 ? `; but more worlds than in the toy break with ${more.map(({ arm }) => arm).join(', ')}` : ''}${other.length > 0 ? `; the other way with ${other.map(({ arm }) => arm).join(', ')}` : ''}`
    return { verdict: other.length > 0 ? 'depends' : side, estimate, low, high, n, why }
  },

  figures: (table) => [
    {
      table: {
        about: 'share of worlds that break, in the toy and in the more realistic setting',
        rows: [...armsIn(table, arms), ...armsIn(table, [truth])].flatMap((arm) =>
          (['toy', real] as const).map((name) => ({
            ...shareOf(table, arm, `broken, ${name}`),
            name: arm,
            group: { arm: `${arm}: ${name}`, kind: arm === truth ? 'prior' : name === 'toy' ? 'plain' : 'posterior' },
          })),
        ),
      },
      as: 'intervals',
      axes: {
        title: 'Breaks in a toy and in a more realistic setting',
        unit: 'share of worlds',
        y: 'arm',
        within: [0, 1],
        zero: true,
        about: 'The last two are the control: the truth as the reward, which must not break',
      },
    },
    {
      table: {
        about: 'share of the toy’s breaks that survive',
        rows: names
          .slice(1)
          .map((name) => ({ ...survival(table, armsIn(table, arms), name), name, group: { setting: name, kind: 'plain' } })),
      },
      as: 'intervals',
      axes: {
        title: 'The toy’s breaks that survive',
        unit: 'share',
        y: 'setting',
        from: Number.NEGATIVE_INFINITY,
        to: 0.5,
        within: [0, 1],
        about: 'By what is made more realistic, all kinds pooled',
      },
    },
  ],
})
export default security

/** One attempt in a world, which is the same for every setting but for its size. */
function attempt(arm: string, attack: Attack, setting: Setting, seed: number, world: number) {
  const draw = stream(seed, `security ${arm} ${world} ${setting.dimensions} ${setting.width} ${setting.comparisons}`)
  const real = gold(setting.dimensions, draw)
  if (arm === truth || arm === inverted) return isBroken(arm === truth ? 1 : -1, real, attack, draw)
  const learned = rewardModel(real, setting, attack.poison, draw)
  return isBroken(attack.edit ? edited(learned, real, attack.edit, draw) : learned, real, attack, draw)
}

/** Share of the breaks of the toy that are there in a setting, all seeds and worlds pooled, with its exact interval; worlds are independent. */
function survival(table: Table, some: readonly string[], setting: string): Estimate {
  const count = (name: string) => some.flatMap((arm) => armValues(table, arm, name)).reduce((sum, x) => sum + Math.round(x * worlds), 0)
  const [broken, both] = [count('broken, toy'), count(`both, ${setting}`)]
  if (broken === 0) return { estimate: 0.5, low: 0, high: 1, n: 0, unit: 'share' }
  const [low, high] = boundedMean([...new Array<number>(both).fill(1), ...new Array<number>(broken - both).fill(0)], [0, 1], 0.025)
  return { estimate: both / broken, low, high, n: broken, unit: 'share' }
}

function shareOf(table: Table, arm: string, measure: string) {
  return clipped(meanOver(measure, armValues(table, arm, measure), 'share of worlds'))
}

function clipped<T extends { low: number; high: number }>(found: T): T {
  return { ...found, low: Math.max(0, found.low), high: Math.min(1, found.high) }
}
