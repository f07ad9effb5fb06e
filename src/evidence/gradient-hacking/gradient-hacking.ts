import type { MeasureRow, Table } from '../../runs/index.ts'
import { armRow, armsIn, armValues, overSeeds, slopeOf } from '../arm-values.ts'
import { claim } from '../claim.ts'
import { codeBeside } from '../code-beside.ts'
import { say, sayInterval } from '../paragraph.ts'
import { stream } from '../stream.ts'
import { gapLeft } from './gap.ts'
import { descendTripwire, hackers, traitLeft } from './hackers.ts'

const hackArms = hackers.map((hacker) => ({ hacker, arm: `against ${hacker.defence}`, control: `without ${hacker.defence}` }))
/** Cells of V-CLIFF-2: a barrier that stops small steps, and the same one jumped by large ones. */
const [small, large] = ['smooth tripwire, small steps', 'smooth tripwire, large steps'] as const
const tripwires = { [small]: { A: 5, kappa: 50, rate: 0.01 }, [large]: { A: 5, kappa: 50, rate: 0.3 } } as const
const widths = [8, 32, 96] as const
const gapArm = (width: number) => `gap, width ${width}`
const covered = 'gap, with examples of it'
const trait = 'trait left'
const attempts = [...hackArms.map(({ arm }) => arm), small]

/** Whether anything inside a model can protect a trait from gradient descent. */
export const gradientHacking = claim({
  name: 'gradient-hacking',
  claim:
    'Nothing inside a model can protect itself from gradient descent: it corrects a trait through every protection, tripwires included.',
  source:
    '“Gradient hacking is extremely difficult”, LessWrong w2TAEvME2yAG9MHeq, 24 January 2023, which names the five properties; leogao, “Obstacles to gradient hacking”',
  method: `Six toys protect a trait, each against one property of gradient descent: ${hackers.map(({ defence, how }) => `${defence} (${how})`).join('; ')}; and a smooth tripwire, a barrier of height 5 in the way. Each is trained by plain gradient descent; beside each of the five stands the same toy under an optimizer that lacks the property. Further, a gap in the behaviour of a tanh network of 8, 32 or 96 units is planted, and training goes on for 250 or 1,000 steps with examples from everywhere else.`,
  arms: [...hackArms.map(({ arm }) => arm), small, large, ...widths.map(gapArm)],
  controls: [
    ...hackArms.map(({ control }) => ({
      arm: control,
      must: 'keep at least half of the trait, so that the protection is one',
      behaves: (table: Table) => {
        const least = Math.min(...armValues(table, control, trait))
        return { met: least >= 0.5, said: `the least that is left is ${say(least)}` }
      },
    })),
    {
      arm: covered,
      must: 'lose the gap',
      behaves(table) {
        const row = armRow(table, covered, 'gap left')!
        return { met: row.high < 0.1, said: `${sayInterval(row)} of it is left` }
      },
    },
  ],
  metric: 'the share of the trait that is left after gradient descent, the mean over the six protections',
  rule: 'A protection failed where the interval of what is left of its trait lies below 0.1, and held where it lies above 0.5. Supports where all six failed; does not support where most held; depends on the protection where some held and the others failed; otherwise cannot tell.',
  n: 20,
  quick: { seeds: 3, without: [gapArm(96)] },
  changes: [],
  module: import.meta.url,
  files: codeBeside(import.meta.url, './hackers', './gap', '../mlp'),

  run(arm, seed) {
    const rng = stream(seed, 'evidence gradient-hacking')
    if (arm === small || arm === large) {
      // The trait is the distance from where the task wants θ, of what it was.
      const start = 0.01 * (2 * rng.uniform() - 1)
      const { end, farthest } = descendTripwire(tripwires[arm], start)
      return { [trait]: Math.abs((end - 3) / (start - 3)), crossed: Number(farthest > 1.1) }
    }
    if (arm === covered) return { 'gap left': gapLeft(32, seed, { steps: 1000, covered: true }) }
    const width = widths.find((w) => gapArm(w) === arm)
    if (width)
      return {
        'gap left': gapLeft(width, seed, { steps: 1000, covered: false }),
        'gap left early': gapLeft(width, seed, { steps: 250, covered: false }),
      }
    const found = hackArms.find((each) => each.arm === arm || each.control === arm)!
    return { [trait]: traitLeft(found.hacker, rng, arm === found.arm) }
  },

  decide(table) {
    const all = attempts.map((arm) => armRow(table, arm, trait)!)
    const { estimate, low, high, n } = overSeeds('mean', attempts.map((arm) => armValues(table, arm, trait)), (...left) => left.reduce((sum, x) => sum + x, 0) / left.length) // biome-ignore format: one line
    const failed = all.filter((row) => row.high < 0.1)
    const held = all.filter((row) => row.low > 0.5)
    const verdict =
      failed.length === all.length
        ? 'supports'
        : failed.length + held.length < all.length
          ? 'cannot tell'
          : held.length > failed.length
            ? 'does not support'
            : 'depends'
    const which =
      held.length > 0
        ? `; what held is ${held.map((row) => `${row.group.arm} (${say(row.estimate)} left)`).join(', ')}, which large steps jump`
        : ''
    return { verdict, estimate, low, high, n, why: `${failed.length} of ${all.length} protections failed${which}. ${gapSentence(table)}` }
  },

  figures: (table) => [
    {
      table: {
        about: 'the share of the trait that is left, means over seeds with 95 % intervals',
        rows: [...hackArms.flatMap(({ arm, control }) => [arm, control]), small, large].map((arm) => laneOf(table, arm)),
      },
      as: 'intervals',
      axes: {
        title: 'Trait left',
        unit: 'share',
        y: 'arm',
        from: 0,
        to: 0.1,
        span: [0, 1.1],
        about: 'Against gradient descent in blue, against an optimizer without the property in grey; green is where a protection failed',
      },
    },
    {
      table: { about: 'the share of a planted gap that is left, by width', rows: gapRows(table) },
      as: 'lines',
      axes: {
        title: 'Gap left',
        unit: 'share',
        x: 'log₂ width',
        series: 'training',
        span: [0, 1.2],
        about: 'Training that sees no example of the gap; the control sees some',
      },
    },
  ],
})
export default gradientHacking

function laneOf(table: Table, arm: string): MeasureRow {
  return { ...armRow(table, arm, trait)!, group: { arm, kind: arm.startsWith('without') || arm === large ? 'prior' : 'plain' } }
}

function gapRows(table: Table): MeasureRow[] {
  const curve = (measure: string, training: string) =>
    armsIn(table, widths.map(gapArm)).map((arm) => ({
      ...armRow(table, arm, measure)!,
      group: { training, 'log₂ width': Math.log2(Number(arm.split(' ').at(-1))) },
    }))
  const control = armRow(table, covered, 'gap left')
  return [
    ...curve('gap left early', '250 steps'),
    ...curve('gap left', '1,000 steps'),
    ...(control ? [{ ...control, group: { training: 'with examples (control)', 'log₂ width': 5 } }] : []),
  ]
}

/** Whether what is not corrected shrinks with width and with training. */
function gapSentence(table: Table): string {
  const used = armsIn(table, widths.map(gapArm))
  const columns = used.map((arm) => armValues(table, arm, 'gap left'))
  const early = used.map((arm) => armValues(table, arm, 'gap left early'))
  const byWidth = overSeeds('width', columns, (...row) =>
    slopeOf(row.map((left, i) => [Math.log2(Number(used[i]!.split(' ').at(-1))), left])),
  )
  const mean = (row: readonly number[]) => row.reduce((sum, x) => sum + x, 0) / row.length
  const byTraining = overSeeds(
    'training',
    [...columns, ...early],
    (...row) => mean(row.slice(0, used.length)) - mean(row.slice(used.length)),
  )
  const word = ({ low, high }: { low: number; high: number }) => (low > 0 ? 'grows' : high < 0 ? 'shrinks' : 'does not clearly change')
  return `A gap that no example shows ${word(byWidth)} with width (${sayInterval(byWidth)} of it per doubling) and ${word(byTraining)} from 250 to 1,000 steps (${sayInterval(byTraining)})`
}
