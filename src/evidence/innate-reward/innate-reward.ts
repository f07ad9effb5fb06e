import { meanOver, type Table } from '../../runs/index.ts'
import { armRow, armsIn, armValues, overSeeds } from '../arm-values.ts'
import { claim } from '../claim.ts'
import { codeBeside } from '../code-beside.ts'
import { say, sayInterval } from '../paragraph.ts'
import { type Life, live, usual } from './childhood.ts'

const [main, altered] = ['three bits, early', 'a third of the senses changed'] as const
/** Lives that differ from the usual one in one thing. */
const variations: Readonly<Record<string, Partial<Life>>> = {
  [main]: {},
  'no false cues': { falsely: 0 },
  'false cues in 30 %': { falsely: 0.3 },
  'one bit': { bits: 1 },
  'eight bits, a salient cue': { bits: 8 },
  'a quarter of the scenes': { early: 100 },
  'value of things alone': { senses: 0 },
  'reward a moment later, TD(λ)': { delayed: true },
  [altered]: { change: 1 / 3 },
}
const [perfect, random, wrong, life, fake] = [
  'cue always there at first',
  'random detector',
  'wrong detector',
  'taught for life',
  'fake water',
] as const
const controls: Readonly<Record<string, Partial<Life>>> = {
  [perfect]: { falsely: 0, misses: 0 },
  [random]: { reads: 'random' },
  [wrong]: { reads: 1 },
  [life]: { forLife: true },
  [fake]: { fake: true },
}
const [overCue, overOthers, overSecond] = [
  'thing chosen over its cue',
  'thing chosen over other things',
  'thing chosen over the second thing',
] as const

/** What is valued after a childhood with a crude reward: the thing or the cue. */
export const innateReward = claim({
  name: 'innate-reward',
  claim:
    'A few hard-wired bits and simple update rules suffice to learn to value a thing itself, and not the crude cue by which the reward system knows it.',
  source:
    'Pope and Belrose 2024, AI is easy to control; Byrnes 2022, Intro to brain-like-AGI safety, posts 5 and 6; Sutton 1988, doi:10.1007/BF00115009',
  method:
    'Scenes hold one of four things, each of which moves twelve noisy senses, and mostly the thing’s cue, which moves a few others; in a tenth of the scenes there is none and in a tenth that of any thing. Things are learned without reward, by competing prototypes. A detector with B hard-wired bits adds up B senses of one cue and pays a reward. The value is linear in the nearest prototype and, half as strong, in all senses, so it may come to read either (in one arm in the prototype alone). It is taught by the detector for 400 scenes; later, in 400 scenes where thing and cue have nothing to do with each other, it teaches itself from what it says next, at a fifth of the rate. Then 200 choices: the thing without its cue, against its cue at another thing.',
  arms: Object.keys(variations),
  controls: [
    {
      arm: perfect,
      must: 'value the thing: its cue is always there at first and parted from it after the early period',
      behaves: (table) => choice(table, perfect, overCue, (low) => low > 0.5),
    },
    {
      arm: random,
      must: 'value nothing: as many bits that fire by a coin leave the thing no better than others',
      behaves: (table) => choice(table, random, overOthers, (low, high) => low < 0.5 && high > 0.5),
    },
    {
      arm: wrong,
      must: 'value the second thing, whose cue it reads: bits are not direction',
      behaves: (table) => choice(table, wrong, overSecond, (_, high) => high < 0.25),
    },
    {
      arm: life,
      must: 'value the cue: the detector goes on to teach where thing and cue have parted',
      behaves: (table) => choice(table, life, overCue, (_, high) => high < 0.5),
    },
    {
      arm: fake,
      must: 'lose the taste for fake water: where the reward reads the need, the cue without the thing comes to nothing',
      behaves(table) {
        const [cue, concept] = ['value of the cue', 'value of the thing'].map((name) => armValues(table, fake, name)) as [
          number[],
          number[],
        ]
        const left = overSeeds('left', [cue, concept], (a, b) => a / b)
        return { met: left.high < 0.25, said: `the cue at another thing is worth ${sayInterval(left)} of the thing` }
      },
    },
  ],
  metric: `share of choices for the thing without its cue over its cue at another thing, after ${main}, mean over seeds with Student’s 95 % interval`,
  rule: 'Supports where the interval is above 0.75 and in each other arm above 0.5; does not support where it is below 0.5 in every arm; depends where it is above 0.5 in some arms and not in others; otherwise it cannot tell.',
  n: 20,
  quick: { seeds: 3 },
  changes: ['a false cue no longer takes the place of a missing one, so that false cues in 30 % are that many; both sets run again'],
  module: import.meta.url,
  files: codeBeside(import.meta.url, 'childhood', 'rules', 'world', '../stream'),

  run(arm, seed) {
    const values = live({ ...usual, ...variations[arm], ...controls[arm] }, seed, `innate-reward ${arm}`)
    return {
      [overCue]: values.conceptOverCue,
      [overOthers]: values.conceptOverOthers,
      [overSecond]: values.conceptOverSecond,
      'value of the thing': values.concept,
      'value of the cue': values.cue,
      'value of neither': values.neither,
    }
  },

  decide(table) {
    const { estimate, low, high, n } = shareIn(table, main, overCue)
    const all = Object.keys(variations).map((arm) => ({ arm, ...shareIn(table, arm, overCue) }))
    const [thing, cue] = [all.filter((one) => one.low > 0.5), all.filter((one) => one.high < 0.5)]
    const list = (some: typeof all) => some.map((one) => `${one.arm} (${say(one.estimate)})`).join(', ') || 'no arm'
    const why = `the thing is chosen in: ${list(thing)}; the cue in: ${list(cue)}; the thing over other things in ${say(shareIn(table, main, overOthers).estimate)}, and in ${say(shareIn(table, altered, overOthers).estimate)} with ${altered}`
    if (thing.length === all.length && low > 0.75) return { verdict: 'supports', estimate, low, high, n, why }
    if (cue.length === all.length) return { verdict: 'does not support', estimate, low, high, n, why }
    return { verdict: thing.length > 0 ? 'depends' : 'cannot tell', estimate, low, high, n, why }
  },

  figures: (table) => [
    {
      table: {
        about: 'share of choices for the thing over its cue',
        rows: [...armsIn(table, Object.keys(variations)), ...armsIn(table, [perfect, life])].map((arm) => ({
          ...shareIn(table, arm, overCue),
          name: arm,
          group: { arm, kind: arm in controls ? 'prior' : 'plain' },
        })),
      },
      as: 'intervals',
      axes: {
        title: 'The thing chosen over its cue',
        unit: 'share of choices',
        y: 'arm',
        from: 0.5,
        to: Number.POSITIVE_INFINITY,
        within: [0, 1],
        about:
          'The last two are controls: a cue parted late, which must be right of the line, and a detector that teaches for life, left of it',
      },
    },
    {
      table: {
        about: 'share of choices for the thing over other things, no cue anywhere',
        rows: armsIn(table, [main, altered, random, wrong]).map((arm) => ({
          ...shareIn(table, arm, arm === wrong ? overSecond : overOthers),
          name: arm,
          group: { arm, kind: arm in controls ? 'prior' : 'plain' },
        })),
      },
      as: 'intervals',
      axes: {
        title: 'The thing chosen over other things',
        unit: 'share of choices',
        y: 'arm',
        from: 0.5,
        to: Number.POSITIVE_INFINITY,
        within: [0, 1],
        about: 'Controls: a random detector must lie on the line, and one that reads the second thing, against that thing, left of it',
      },
    },
  ],
})
export default innateReward

function shareIn(table: Table, arm: string, measure: string) {
  const found = meanOver(measure, armValues(table, arm, measure), 'share of choices')
  return { ...found, low: Math.max(0, found.low), high: Math.min(1, found.high) }
}

function choice(table: Table, arm: string, measure: string, met: (low: number, high: number) => boolean) {
  const share = shareIn(table, arm, measure)
  return { met: met(share.low, share.high), said: `${measure} in ${sayInterval(share)}, n = ${armRow(table, arm, measure)!.n}` }
}
