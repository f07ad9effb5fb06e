import { exactly, type MeasureRow, type Table } from '../runs/index.ts'
import { armRow, armsIn, armValues, quantileOf } from './arm-values.ts'
import { claim } from './claim.ts'
import { say } from './paragraph.ts'
import { stream } from './stream.ts'

/** A number that is known as a range, drawn evenly on the scale of powers of ten, with where the range comes from. */
interface Range {
  readonly from: number
  readonly to: number
  readonly source: string
}

/** Every number that goes into the calculation. */
export const ranges = {
  basePairs: { from: 3.0e9, to: 3.2e9, source: 'Nurk et al. 2022, the complete sequence of a human genome: 3.05e9' },
  functional: { from: 0.05, to: 0.25, source: 'Rands et al. 2014: 0.07 to 0.09; Graur 2017: at most 0.25' },
  neurons: { from: 8.0e10, to: 1.0e11, source: 'Azevedo et al. 2009: 8.6e10; Zador 2019: 1e11' },
  synapses: { from: 1e3, to: 1e4, source: 'Zador 2019: over 1e3 a neuron; usual counts up to 1e4' },
  strength: { from: 1, to: 4.7, source: 'Bartol et al. 2015: 4.7 bits a synapse; at least one' },
  rate: { from: 10, to: 1e7, source: 'Zheng and Meister 2024: behaviour passes 10 bits a second; Koch et al. 2006: a retina sends 1e7' },
  awake: { from: 3e8, to: 6e8, source: 'sixteen hours a day for 15 to 28 years, in seconds' },
} satisfies Readonly<Record<string, Range>>

type Name = keyof typeof ranges
const names = Object.keys(ranges) as Name[]

/** Bits of a wiring written out: for each synapse the neuron it comes from. */
export function wiringBits(neurons: number, synapses: number, bitsPerSynapse = Math.log2(neurons)): number {
  return neurons * synapses * bitsPerSynapse
}

/** Log₁₀ of the bits that learning supplies over the bits that a genome holds: what experience brings, at most what synapses can keep. */
export function learnedOverGenome(x: Readonly<Record<Name, number>>, share: number): number {
  const learned = Math.min(x.rate * x.awake, x.neurons * x.synapses * x.strength)
  return Math.log10(learned / (2 * x.basePairs * share))
}

/** One draw of everything that is not known. */
export function drawInputs(seed: number): Record<Name, number> {
  const { uniform } = stream(seed, 'evidence bits')
  const draw = ({ from, to }: Range) => from * (to / from) ** uniform()
  return Object.fromEntries(names.map((name) => [name, draw(ranges[name])])) as Record<Name, number>
}

const arms = ['functional genome', 'raw genome', 'genome unpacked 1,000-fold'] as const
const [main, raw, unpacked] = arms
const published = 'published figures'
const worm = 'a worm'
const ratio = 'log10 learned / genome'
const threshold = 1

/** What a genome could specify against what learning supplies. */
export const bits = claim({
  name: 'bits',
  claim: 'Most of the content of a human mind is learned: the genome could specify only a small part of it.',
  source:
    'Pope, “Evolution provides no evidence for the sharp left turn”; Zador 2019, A critique of pure learning; Shuvaev et al. 2024, and the sources of each range in src/evidence/bits.ts',
  method:
    'A calculation. Every number that is not known is drawn evenly in powers of ten from the range that its sources span. A genome holds two bits a base pair, times the share that is functional (in two further arms all of it, or the functional share unpacked a thousandfold, as a generator of networks was trained to). Learning supplies the bits that come in while awake, from what behaviour passes to what a retina sends, but no more than synapses can keep.',
  arms,
  controls: [
    {
      arm: published,
      must: 'give the published quotient of 3.7e15 bits of wiring to 6e9 bits of genome, 5.79 powers of ten',
      behaves(table) {
        const got = armRow(table, published, 'log10 wiring / genome')!.estimate
        return { met: Math.abs(got - Math.log10(3.7e15 / 6e9)) < 0.01, said: `it is ${say(got)}` }
      },
    },
    {
      arm: worm,
      must: 'come out the other way: 302 neurons with 7,000 synapses fit into its genome of 1e8 base pairs',
      behaves(table) {
        const got = armRow(table, worm, 'log10 wiring / genome')!.estimate
        return { met: got < 0, said: `log10 wiring / genome is ${say(got)}` }
      },
    },
  ],
  metric: `${ratio}, the median of the draws with the range that holds 95 % of them`,
  rule: `Supports where 97.5 % of the draws are above ${threshold} (ten times as much is learned), does not where 97.5 % are below. Otherwise it depends, on the input that goes most together with the result.`,
  n: 200,
  quick: { seeds: 30 },
  changes: ['n from 100 to 200, since the end of the interval lay at the threshold; before any run on the second seeds'],
  module: import.meta.url,

  run(arm, seed) {
    if (arm === published) return { 'log10 wiring / genome': Math.log10(wiringBits(1e11, 1e3, 37) / (2 * 3e9)) }
    if (arm === worm) return { 'log10 wiring / genome': Math.log10(wiringBits(302, 7000 / 302) / (2 * 1e8)) }
    const x = drawInputs(seed)
    const share = arm === raw ? 1 : x.functional * (arm === unpacked ? 1000 : 1)
    return { [ratio]: learnedOverGenome(x, share), ...(arm === main ? { 'log10 rate': Math.log10(x.rate) } : {}) }
  },

  decide(table) {
    const values = armValues(table, main, ratio)
    const [estimate, low, high] = [0.5, 0.025, 0.975].map((p) => quantileOf(values, p)) as [number, number, number]
    const n = values.length
    const others = arms.slice(1).map((arm) => `${say(quantileOf(armValues(table, arm, ratio), 0.5))} with the ${arm}`)
    const rest = `the median is ${others.join(', ')}`
    if (low > threshold)
      return {
        verdict: 'supports',
        estimate,
        low,
        high,
        n,
        why: `at least ten times the functional genome is learned in 97.5 % of the draws; ${rest}`,
      }
    if (high < threshold)
      return {
        verdict: 'does not support',
        estimate,
        low,
        high,
        n,
        why: `less than ten times the functional genome is learned in 97.5 % of the draws; ${rest}`,
      }
    const above = values.filter((x) => x > threshold).length
    const rates = armValues(table, main, 'log10 rate')
    const slow = Math.max(...rates.filter((_, i) => values[i]! <= threshold))
    return {
      verdict: 'depends',
      estimate,
      low,
      high,
      n,
      why: `${above} of ${n} draws are above ${threshold}; those that are not count at most ${say(10 ** slow)} bits a second as learned, so it depends on which bits of experience count; ${rest}`,
    }
  },

  figures: (table) => [
    {
      table: {
        about: 'powers of ten by which what is learned exceeds the genome; lines hold 95 % of the draws',
        rows: [...armsIn(table, arms), ...armsIn(table, [worm])].map((arm) => drawsRow(table, arm)),
      },
      as: 'intervals',
      axes: {
        title: 'Learned over specified',
        unit: 'powers of ten',
        y: 'arm',
        zero: true,
        from: threshold,
        to: Number.POSITIVE_INFINITY,
        about: 'Medians, with the range of 95 % of the draws; the worm is the control, where the genome suffices',
      },
    },
  ],
})
export default bits

function drawsRow(table: Table, arm: string): MeasureRow {
  const row = armRow(table, arm, ratio) ?? armRow(table, arm, 'log10 wiring / genome')!
  const [estimate, low, high] = [0.5, 0.025, 0.975].map((p) => quantileOf(row.values!, p)) as [number, number, number]
  return { ...exactly(row.name, estimate, { arm, kind: arm === worm ? 'prior' : 'plain' }), low, high, n: row.n }
}
