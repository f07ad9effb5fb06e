// How often a good model is stopped, and what a power line comes to: `npm run -s bench -- stops [--runs=N]`.
import { atLeast, between, decide, judgeCriteria, meanOf, powerOf, stopRisk, tail } from '../dist/accept/index.js'
import { drawsFrom } from './risk/draw.mjs'

const plans = [1, 3, 10].flatMap((rounds) => [1, 3].map((guards) => ({ rounds, guards })))
const prompts = 76
const truth = 0.7
const powers = [
  { bound: 0.5, looks: [76, 76] },
  { bound: 0.5, looks: [272, 272] },
  { bound: 0.6, looks: [72, 128] },
]

async function measure(say, flags) {
  const runs = Number(flags.get('--runs') ?? 2000)
  const rows = plans.map((plan) => {
    say(`${plan.rounds} rounds, ${plan.guards} guards`)
    const rules = rulesOf(plan)
    return { ...plan, runs, corrected: rejected(rules, stopRisk(rules), runs), uncorrected: rejected(rules, tail, runs) }
  })
  const told = powers.map(({ bound, looks }) => ({ bound, looks, ...powerOf(bound, looks), simulated: passed(bound, looks, runs) }))
  return { bench: 'stops', prompts, rows, powers: told }
}

/** Guards of measures whose truth lies at the bound: shares, and numbers without a range within both ends. */
function rulesOf({ rounds, guards }) {
  const named = Array.from({ length: guards }, (_, g) => [`m${g}`, g % 2 === 0 ? atLeast(truth) : between(0, 5)])
  return { rounds, gold: false, guards: Object.fromEntries(named) }
}

/** The share of runs that a rule ends, all looks taken: what is demanded is never met. */
function rejected(rules, risk, runs) {
  let count = 0
  for (let run = 0; run < runs; run++) {
    const evaluations = []
    for (let round = 1; round <= rules.rounds; round++) {
      const names = Object.keys(rules.guards)
      const stops = Object.fromEntries(names.map((name, g) => [name, look(`${run}/${round}/${name}`, g % 2 === 0, risk)]))
      const measures = { win: look(`${run}/${round}/win`, true, tail) }
      const criteria = judgeCriteria({ win: atLeast(0.999) }, measures)
      evaluations.push({ round, look: 'development', prompts, criteria, measures, stops, correlations: [] })
      const decision = decide(evaluations, rules)
      if (decision.next !== 'stop') continue
      if (decision.verdict.verdict === 'rejected') count++
      break
    }
  }
  return count / runs
}

function look(key, share, risk) {
  const { uniform, normal } = drawsFrom(key)
  const values = Array.from({ length: prompts }, () => [share ? (uniform() < truth ? 1 : 0) : normal()])
  return share ? meanOf('x', values, 'share', [0, 1], risk) : meanOf('x', values, '', undefined, risk)
}

/** The share of runs whose looks all have the whole interval above the bound. */
function passed(bound, looks, runs) {
  const { truth: p } = powerOf(bound, looks)
  let count = 0
  for (let run = 0; run < runs; run++) {
    const { uniform } = drawsFrom(`power/${bound}/${looks}/${run}`)
    const every = looks.every(
      (n) =>
        meanOf(
          'x',
          Array.from({ length: n }, () => [uniform() < p ? 1 : 0]),
          'share',
          [0, 1],
        ).low >= bound,
    )
    if (every) count++
  }
  return count / runs
}

function table({ rows, powers: told }) {
  const percent = (x) => `${(100 * x).toFixed(1)} %`
  return [
    '| rounds | guards | a good model stopped | without the correction |',
    '| --- | --- | --- | --- |',
    ...rows.map(
      ({ rounds, guards, corrected, uncorrected }) => `| ${rounds} | ${guards} | ${percent(corrected)} | ${percent(uncorrected)} |`,
    ),
    '',
    '| bound | truth | looks | power line | simulated |',
    '| --- | --- | --- | --- | --- |',
    ...told.map(
      ({ bound, truth: p, looks, probability, simulated }) =>
        `| ${bound} | ${p} | ${looks.join(' and ')} | ${probability.toFixed(3)} | ${simulated.toFixed(3)} |`,
    ),
  ].join('\n')
}

export const stops = {
  about: 'how often a good model is stopped, whose truths lie at every guard, and power lines beside simulation',
  flags: ['--runs'],
  measure,
  table,
}
