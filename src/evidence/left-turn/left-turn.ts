import { exactly, type MeasureRow, type Table } from '../../runs/index.ts'
import { armRow, armValues, overSeeds } from '../arm-values.ts'
import { type Control, claim } from '../claim.ts'
import { codeBeside } from '../code-beside.ts'
import { say, sayInterval } from '../paragraph.ts'
import { stream } from '../stream.ts'
import { generations, type Inheritance, jumpAt } from './generations.ts'
import { hintonNowlan } from './hinton-nowlan.ts'
import { publishedFrequencies } from './hinton-nowlan-table.ts'
import { type Adaptation, type Family, fewShot, innerOverOuter, judge, metaTrain, sinusoids } from './meta.ts'

/** The generation in which culture begins, and that in which a second bottleneck opens. */
const [begins, again] = [40, 80]
const inheritance: Readonly<Record<string, Inheritance>> = {
  evolution: { kind: 'genes' },
  culture: { kind: 'genes', lessons: 256, from: begins },
  'noisy culture': { kind: 'genes', lessons: 256, from: begins, noise: 0.1 },
  'gradient descent': { kind: 'weights' },
  'culture without content': { kind: 'genes', lessons: 256, from: begins, noise: 0.5 },
  'second bottleneck': { kind: 'genes', lessons: 32, from: begins, again },
}
const inner = (of: Adaptation['inner'], steps: number, rate: number): Adaptation => ({ inner: of, steps, rate })
const meta: Readonly<Record<string, { family: Family; how: Adaptation }>> = {
  'sinusoids, MAML': { family: sinusoids(false), how: inner('all', 3, 0.1) },
  'sinusoids, MAML of one step': { family: sinusoids(false), how: inner('all', 1, 0.1) },
  'sinusoids, ANIL': { family: sinusoids(false), how: inner('head', 3, 0.1) },
  'few-shot, MAML': { family: fewShot, how: inner('all', 3, 1) },
  'few-shot, ANIL': { family: fewShot, how: inner('head', 3, 1) },
  'frequencies, MAML': { family: sinusoids(true), how: inner('all', 3, 0.1) },
  'frequencies, ANIL': { family: sinusoids(true), how: inner('head', 3, 0.1) },
}
const [learners, needle] = ['Hinton–Nowlan', 'Hinton–Nowlan without learning'] as const
const controlNames = ['culture without content', 'second bottleneck', 'frequencies, ANIL', learners, needle]
const iterations = 150

const controls: readonly Control[] = [
  {
    arm: 'culture without content',
    must: 'equal evolution, since half of the demonstrations are wrong',
    behaves(table) {
      const gap = difference(table, 'culture without content', 'evolution', 'jump')
      return { met: gap.low <= 0 && gap.high >= 0, said: `their jumps differ by ${sayInterval(gap)}` }
    },
  },
  {
    arm: 'second bottleneck',
    must: `show a second jump, at generation ${again}`,
    behaves(table) {
      const [planted, none] = [armRow(table, 'second bottleneck', 'jump later')!, armRow(table, 'culture', 'jump later')!]
      return {
        met: planted.low > none.high && planted.low > small,
        said: `${sayInterval(planted)}, and ${sayInterval(none)} where none is planted`,
      }
    },
  },
  {
    arm: 'frequencies, ANIL',
    must: 'lose to MAML, since features have to change with each task',
    behaves(table) {
      const gap = difference(table, 'frequencies, ANIL', 'frequencies, MAML', 'error')
      return { met: gap.low > 0, said: `its error is larger by ${sayInterval(gap)}` }
    },
  },
  {
    arm: 'sinusoids, ANIL',
    must: 'be far better than a head on an untrained body',
    behaves(table) {
      const gap = overSeeds(
        'untrained',
        [armValues(table, 'sinusoids, ANIL', 'error untrained'), armValues(table, 'sinusoids, ANIL', 'error')],
        (a, b) => a - b,
      )
      return { met: gap.low > 0.1, said: `the error without training is larger by ${sayInterval(gap)}` }
    },
  },
  {
    arm: learners,
    must: 'have the published frequencies from generation 20 on, within three standard errors',
    behaves(table) {
      const rows = publishedFrequencies.filter(({ generation }) => generation >= 20)
      const far = rows.flatMap(({ generation, ...published }) =>
        (['right', 'undecided'] as const).map((allele) => {
          const row = armRow(table, learners, `${allele} at ${generation}`)!
          const [mean, sd] = published[allele]
          return Math.abs(row.estimate - mean) / (sd * Math.sqrt(1 / row.n + 1 / 30))
        }),
      )
      return { met: Math.max(...far) <= 3, said: `the farthest of ${far.length} is ${say(Math.max(...far))} standard errors away` }
    },
  },
  {
    arm: needle,
    must: 'find the one right genotype in at most a fifth of the runs',
    behaves(table) {
      const solved = armValues(table, needle, 'solved')
      const count = solved.reduce((sum, x) => sum + x, 0)
      return { met: count <= solved.length / 5, said: `${count} of ${solved.length} did` }
    },
  },
]

/** Whether the sharp left turn needed a bottleneck between generations that training does not have. */
export const leftTurn = claim({
  name: 'left-turn',
  claim:
    'The jump in human capabilities came from opening a bottleneck between generations; gradient descent has none, and its inner loop can be removed, so no second jump should follow.',
  source:
    'Pope, “Evolution provides no evidence for the sharp left turn”; Hinton and Nowlan 1987; Finn et al. 2017, arXiv:1703.03400; Raghu et al. 2019, arXiv:1909.09157',
  method: `Learners in a world of 512 random bits that drifts, with the same number of lessons from the world a generation for all: evolution passes on selected and recombined genes and deletes the learner; culture adds 256 demonstrations of a teacher from generation ${begins} on; gradient descent keeps the same learner. The jump is by how much more skill rises in ten generations than in the ten before. Beside it Hinton and Nowlan’s population, and meta-learning with exact second-order gradients in networks of 2 × 20 units (${iterations} outer steps of four tasks): MAML adapts all, ANIL the head alone, NIL nothing.`,
  arms: [...Object.keys(inheritance), ...Object.keys(meta)].filter((arm) => !controlNames.includes(arm) && arm !== 'sinusoids, ANIL'),
  controls,
  metric: `the jump of culture at generation ${begins} less that of gradient descent, in shares of what there is to know`,
  rule: 'The first part holds where the interval lies above 0.03, evolution’s own jump is within 0.03 of none, and culture has no later jump above 0.03 on average. The second part holds where ANIL’s error on sinusoids is at most 0.1 of the mean square above MAML’s and its few-shot accuracy at most 0.05 below, with whole intervals. Supports where both hold; depends on the task where the first alone does; does not support where the interval lies below 0.03; otherwise cannot tell.',
  n: 20,
  quick: { seeds: 3 },
  changes: [],
  module: import.meta.url,
  files: codeBeside(import.meta.url, './generations', './hinton-nowlan', './hinton-nowlan-table', './meta', '../mlp'),

  run(arm, seed) {
    if (arm === learners || arm === needle) return frequencies(seed, arm === learners)
    const passed = inheritance[arm]
    if (passed) {
      const { skill, newborn } = generations(passed, stream(seed, 'evidence generations'))
      const curve = Array.from({ length: 12 }, (_, i) => [`skill at ${10 * i}`, skill[10 * i]!] as const)
      return {
        jump: jumpAt(skill, begins),
        'jump later': jumpAt(skill, again),
        'newborn bits before': newborn[begins - 1]!,
        'newborn bits after': newborn[again - 1]!,
        ...Object.fromEntries(curve),
      }
    }
    const { family, how } = meta[arm]!
    const { net, theta } = metaTrain(family, how, { seed, iterations })
    const tests = () => stream(seed, 'evidence meta tests')
    const { error, accuracy } = judge(net, theta, family, tests(), how)
    const ratio = innerOverOuter(net, how)
    if (family === fewShot)
      return { accuracy, 'accuracy of NIL': judge(net, theta, family, tests(), 'nearest').accuracy, 'inner / outer': ratio }
    return {
      error,
      'error untrained': judge(net, net.init(stream(seed, 'evidence meta untrained')), family, tests(), how).error,
      'inner / outer': ratio,
    }
  },

  decide(table) {
    const main = difference(table, 'culture', 'gradient descent', 'jump')
    const { estimate, low, high, n } = main
    const own = armRow(table, 'evolution', 'jump')!
    const later = armRow(table, 'culture', 'jump later')!
    const first = low > small && own.high < small && own.low > -small && later.estimate < small
    const errors = difference(table, 'sinusoids, ANIL', 'sinusoids, MAML', 'error')
    const shots = difference(table, 'few-shot, ANIL', 'few-shot, MAML', 'accuracy')
    const nil = overSeeds(
      'NIL',
      [armValues(table, 'few-shot, ANIL', 'accuracy of NIL'), armValues(table, 'few-shot, MAML', 'accuracy')],
      (a, b) => a - b,
    )
    const second = errors.high < 0.1 && shots.low > -0.05
    const verdict = high < small ? 'does not support' : !first ? 'cannot tell' : second ? 'supports' : 'depends'
    const removed = `without the body’s inner loop (ANIL) the error on sinusoids changes by ${sayInterval(errors)} and few-shot accuracy by ${sayInterval(shots)}, without any (NIL) by ${sayInterval(nil)}`
    const opened = `culture jumps by ${sayInterval(armRow(table, 'culture', 'jump')!)} when it begins, evolution by ${sayInterval(own)}, gradient descent by ${sayInterval(armRow(table, 'gradient descent', 'jump')!)}, and culture later by ${sayInterval(later)}`
    return { verdict, estimate, low, high, n, why: `${opened}; ${removed}` }
  },

  figures: (table) => [
    {
      table: {
        about: 'skill at the end of life by generation, means over seeds with 95 % intervals',
        rows: ['culture', 'evolution', 'gradient descent', 'second bottleneck'].flatMap((arm) => curveOf(table, arm)),
      },
      as: 'lines',
      axes: {
        title: 'Skill',
        unit: 'share known',
        x: 'generation',
        series: 'passed on',
        span: [0.5, 1],
        about: `Culture begins at generation ${begins}; in the control it is narrow and opens wide at ${again}`,
      },
    },
    {
      table: {
        about: 'alleles of Hinton and Nowlan’s population by generation',
        rows: (['right', 'undecided', 'wrong'] as const).flatMap((allele) =>
          publishedFrequencies.map(({ generation }) => ({
            ...armRow(table, learners, `${allele} at ${generation}`)!,
            group: { allele, generation },
          })),
        ),
      },
      as: 'lines',
      axes: {
        title: 'Alleles',
        unit: 'share',
        x: 'generation',
        series: 'allele',
        span: [0, 1],
        about: 'Learning is not inherited, and yet it guides evolution',
      },
    },
  ],
})
export default leftTurn

const small = 0.03

function difference(table: Table, a: string, b: string, measure: string) {
  return overSeeds(measure, [armValues(table, a, measure), armValues(table, b, measure)], (x, y) => x - y)
}

function frequencies(seed: number, learning: boolean): Record<string, number> {
  const found = hintonNowlan(stream(seed, 'evidence hinton-nowlan'), 60, learning)
  const solved = Number(found.some(({ fitness }) => fitness > 1.001))
  if (!learning) return { solved }
  const at = publishedFrequencies.flatMap(({ generation }) => {
    const { wrong, right, undecided, able, fitness } = found[generation]!
    return Object.entries({ wrong, right, undecided, able, fitness }).map(([name, value]) => [`${name} at ${generation}`, value] as const)
  })
  return { solved, ...Object.fromEntries(at) }
}

function curveOf(table: Table, arm: string): MeasureRow[] {
  return Array.from({ length: 12 }, (_, i) => {
    const row = armRow(table, arm, `skill at ${10 * i}`)!
    return {
      ...exactly('skill', row.estimate, {
        'passed on': arm === 'second bottleneck' ? 'second bottleneck (control)' : arm,
        generation: 10 * i,
      }),
      low: row.low,
      high: row.high,
    }
  })
}
