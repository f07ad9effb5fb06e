import { meanOver, type Table } from '../../runs/index.ts'
import { armRow, armsIn, armValues, overSeeds } from '../arm-values.ts'
import { claim } from '../claim.ts'
import { codeBeside } from '../code-beside.ts'
import { say, sayInterval } from '../paragraph.ts'
import { stream } from '../stream.ts'
import { chinchillaLoss } from './chinchilla.ts'
import { cipherKept } from './cipher.ts'
import { ofBlocks, ofOtherData, ofStitches, ofSums, ofTraining } from './perturbed.ts'
import { programKept } from './program.ts'
import { rateSweep } from './rates.ts'

const [swapped, leftOut, training, sums, kin] = [
  'blocks swapped',
  'blocks left out',
  'training doubled',
  'tasks added',
  'kin stitched',
] as const
const arms = [swapped, leftOut, training, sums, kin]
const [plain, strangers, cipher, program, rates] = [
  'no residual stream',
  'strangers stitched',
  'a cipher',
  'programs',
  'rate and width',
] as const
const [randomSums, otherData] = ['random vectors added', 'no new data'] as const

/** Perturbations of networks beside those of a cipher and of programs. */
export const weirdness = claim({
  name: 'weirdness',
  claim:
    'Machine learning tolerates changes that wreck a cipher or a program: data, model or rates doubled, layers swapped, weights added, halves of different models joined.',
  source:
    'Pope and Belrose 2024, AI is easy to control; Lad et al. 2024, arXiv:2406.19384; Ilharco et al. 2022, arXiv:2212.04089; Lenc and Vedaldi 2015; Yang et al. 2022, arXiv:2203.03466; Needham and Wheeler 1997',
  method:
    'Networks with five residual blocks of width 16 learn eight classes of three clusters each. A change is survived where nine tenths of the performance above chance are left. Changed are: the order of the blocks (every swap of neighbours, every block left out); the training, without retuning (data, width, depth, batch and rate doubled, rate halved); the weights, by the sum of what two fine-tunes on other tasks changed, scaled by 1, 0.7, 0.5 or 0.35, whichever is best on points set aside; and the top, which is that of another fine-tune of the same network. Beside them stand swaps and deletions of the rounds of XTEA, and of the lines of four programs. Beside the average stands the worst case: the smallest share of the weights’ norm at which half of the performance is gone, along a random direction and up the gradient. On a real model: docs/whitebox.md, Blocks in another order.',
  arms,
  controls: [
    {
      arm: cipher,
      must: 'survive nothing, and say half of its bits otherwise',
      behaves(table) {
        const [kept, hamming] = [mean(table, cipher, 'survived'), mean(table, cipher, 'Hamming distance')]
        return {
          met: kept === 0 && Math.abs(hamming - 0.5) < 0.05,
          said: `it survives ${say(kept)}, and ${say(hamming)} of the bits differ`,
        }
      },
    },
    {
      arm: program,
      must: 'survive less than half',
      behaves(table) {
        const kept = meanOver('', armValues(table, program, 'survived'))
        return { met: kept.high < 0.5, said: `they survive ${sayInterval(kept)}` }
      },
    },
    {
      arm: plain,
      must: 'collapse when blocks are swapped: there is no stream that they are added to',
      behaves(table) {
        const kept = meanOver('', armValues(table, plain, 'survived'))
        return { met: kept.high < 0.2, said: `it survives ${sayInterval(kept)}` }
      },
    },
    {
      arm: strangers,
      must: 'not be joined as they are: networks of different beginnings have different channels',
      behaves(table) {
        const kept = meanOver('', armValues(table, strangers, 'survived'))
        return { met: kept.high < 0.2, said: `they survive ${sayInterval(kept)}` }
      },
    },
    {
      arm: randomSums,
      must: 'teach neither task: vectors as long as what the fine-tunes changed',
      behaves(table) {
        const kept = meanOver('', armValues(table, randomSums, 'survived'))
        return { met: kept.high < 0.1, said: `they teach ${sayInterval(kept)}` }
      },
    },
    {
      arm: otherData,
      must: 'gain little from the same data twice, and lose by as many points with random labels',
      behaves(table) {
        const columns = ['left, same data twice', 'left, random labels'].map((name) => armValues(table, otherData, name))
        const lost = overSeeds('', columns, (twice, poisoned) => twice - poisoned)
        const twice = mean(table, otherData, 'left, same data twice')
        return { met: Math.abs(twice - 1) < 0.1 && lost.low > 0, said: `what is left is ${say(twice)}, and less by ${sayInterval(lost)}` }
      },
    },
    {
      arm: rates,
      must: 'show that not everything is survived: at a large rate, four times the width is worse in the standard parametrisation than in µP',
      behaves(table) {
        const gap = overSeeds('', ['loss, standard, wide, large rate', 'loss, µP, wide, large rate'].map((name) => armValues(table, rates, name)), (a, b) => a - b) // biome-ignore format: one line
        return { met: gap.low > 0, said: `the loss is higher by ${sayInterval(gap)} nats` }
      },
    },
  ],
  metric:
    'share of changes that networks survive, mean of the five kinds, less the share that programs survive; mean over seeds with Student’s 95 % interval',
  rule: 'Supports where the interval is above 0 and networks survive more than half of each kind with 95 % confidence; depends where the interval is above 0 and of some kind they do not; does not support where the interval is below 0; otherwise it cannot tell.',
  n: 20,
  quick: { seeds: 3 },
  changes: [],
  module: import.meta.url,
  files: codeBeside(
    import.meta.url,
    'changes',
    'chinchilla',
    'cipher',
    'classifier',
    'perturbed',
    'program',
    'rates',
    '../dense-net',
    '../stream',
  ),

  run(arm, seed) {
    const draw = stream(seed, `weirdness ${arm}`)
    if (arm === cipher) {
      const { kept, hamming } = cipherKept(draw)
      return { survived: kept, 'Hamming distance': hamming }
    }
    if (arm === program) return { survived: programKept(draw) }
    if (arm === rates) return rateSweep(draw)
    if (arm === swapped || arm === leftOut || arm === plain) return ofBlocks(arm === leftOut ? 'deletions' : 'swaps', arm !== plain, draw)
    if (arm === training) return ofTraining(draw)
    if (arm === otherData) return ofOtherData(draw)
    if (arm === sums || arm === randomSums) return ofSums(arm === sums, draw)
    return ofStitches(arm === kin, draw)
  },

  decide(table) {
    const programs = armValues(table, program, 'survived')
    const columns = arms.map((arm) => armValues(table, arm, 'survived'))
    const gap = overSeeds('', [programs, ...columns], (p, ...kept) => kept.reduce((sum, x) => sum + x, 0) / kept.length - p)
    const { estimate, low, high, n } = gap
    const weak = arms.filter((arm) => survivedIn(table, arm).low <= 0.5)
    const told = arms.map((arm) => `${arm} ${sayInterval(survivedIn(table, arm))}`).join(', ')
    const worst = `on average, that is: half of a network’s performance is gone after a random change of ${say(100 * mean(table, swapped, 'smallest break, random'))} % of its weights’ norm, but after ${say(100 * mean(table, swapped, 'smallest break, worst'))} % up the gradient`
    const [size, tokens] = [70e9, 1.4e12]
    const [now, data, model] = [chinchillaLoss(size, tokens), chinchillaLoss(size, 2 * tokens), chinchillaLoss(2 * size, tokens)].map(
      (loss) => loss.toFixed(3),
    )
    const rest = `survived: ${told}, programs ${say(mean(table, program, 'survived'))}, the cipher nothing; ${worst}; by the published law a loss of ${now} becomes ${data} with twice the data, ${model} with twice the model`
    if (high < 0) return { verdict: 'does not support', estimate, low, high, n, why: `programs survive more; ${rest}` }
    if (low <= 0) return { verdict: 'cannot tell', estimate, low, high, n, why: `the interval holds 0; ${rest}` }
    if (weak.length > 0)
      return { verdict: 'depends', estimate, low, high, n, why: `not more than half is survived of ${weak.join(', ')}; ${rest}` }
    return { verdict: 'supports', estimate, low, high, n, why: rest }
  },

  figures: (table) => [
    {
      table: {
        about: 'share of changes survived',
        rows: [
          ...armsIn(table, [...arms]).map((arm) => ({ ...survivedIn(table, arm), name: arm, group: { arm, kind: 'plain' } })),
          ...armsIn(table, [plain, strangers, program, cipher]).map((arm) => ({
            ...survivedIn(table, arm),
            name: arm,
            group: { arm, kind: 'prior' },
          })),
        ],
      },
      as: 'intervals',
      axes: {
        title: 'Changes survived',
        unit: 'share',
        y: 'arm',
        from: 0.5,
        to: Number.POSITIVE_INFINITY,
        within: [0, 1],
        about: 'Nine tenths of the performance left; the last four are controls',
      },
    },
  ],
})
export default weirdness

function survivedIn(table: Table, arm: string) {
  const found = meanOver('survived', armValues(table, arm, 'survived'), 'share')
  return { ...found, low: Math.max(0, found.low), high: Math.min(1, found.high) }
}

function mean(table: Table, arm: string, measure: string): number {
  return armRow(table, arm, measure)!.estimate
}
