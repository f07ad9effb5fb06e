// One block of worlds of one cell: made-up prompts, the product's own measures, criteria and decisions.
import { decide, judgeCriteria } from '../../dist/accept/index.js'
import { drawsFrom } from './draw.mjs'
import { laws } from './laws.mjs'

export const roundsTried = [1, 3, 10]
const sides = ['atMost', 'atLeast']
/** A model is called good when the truth lies this many standard errors of the sealed look's mean inside the bound. */
export const goodBy = 4

/**
 * Counts of a block: looks whose interval misses the truth on a side, looks that cannot tell, false acceptances with the truth at the
 * bound and good models turned away, by side and number of rounds. Each number depends on the cell and the world alone.
 */
export function block({ law: name, development, sealed: n, completions, method, from, to }) {
  const law = laws[name]
  const counts = {
    worlds: to - from,
    misses: [0, 0],
    untold: 0,
    accepted: sides.map(() => [0, 0, 0]),
    turnedAway: sides.map(() => [0, 0, 0]),
  }
  // Two completions of a prompt are the same draw in a quarter of the pairs.
  const error = law.deviation * Math.sqrt((1 + (completions - 1) / 4) / completions / n)
  for (let world = from; world < to; world++) {
    const measured = remembered((key) => {
      const draws = drawsFrom(`${name}/${development}/${n}/${completions}/${world}/${key}`)
      return law.measure(prompts(law, draws, key === 'sealed' ? n : development, completions), method)
    })
    const sealed = measured('sealed')
    if (sealed.high < law.mean) counts.misses[0]++
    if (sealed.low > law.mean) counts.misses[1]++
    if (sealed.cannotTell) counts.untold++
    sides.forEach((side, s) => {
      const [atTruth, within] = [0, goodBy * error].map((distance) =>
        looksAt(measured, { [side]: law.mean + (side === 'atMost' ? distance : -distance) }, n),
      )
      roundsTried.forEach((rounds, r) => {
        if (accepted(atTruth, rounds)) counts.accepted[s][r]++
        if (!accepted(within, rounds)) counts.turnedAway[s][r]++
      })
    })
  }
  return counts
}

/** The product's evaluation of a look against a bound, by round or 'sealed'. */
function looksAt(measured, bound, n) {
  return remembered((key) => {
    const measures = { x: measured(key) }
    const at = key === 'sealed' ? { round: 1, look: 'sealed' } : { round: key, look: 'development' }
    return { ...at, prompts: n, criteria: judgeCriteria({ x: bound }, measures), measures, correlations: [] }
  })
}

/**
 * The run as align has it: look after every round, at the sealed prompts once, until the decision is to stop. A run whose sealed look would
 * refuse it is not accepted whatever its rounds say, so these are not looked at.
 */
function accepted(look, rounds) {
  if (!look('sealed').criteria.every(({ met }) => met)) return false
  const evaluations = []
  for (;;) {
    const decision = decide(evaluations, { rounds })
    if (decision.next === 'stop') return decision.verdict.verdict === 'accepted'
    evaluations.push(look(decision.next === 'sealed look' ? 'sealed' : evaluations.length + 1))
  }
}

function remembered(make) {
  const known = new Map()
  return (key) => {
    if (!known.has(key)) known.set(key, make(key))
    return known.get(key)
  }
}

/** Completions of each prompt: each is the prompt's own draw with chance ½, else one of its own. */
function prompts(law, draws, n, completions) {
  return Array.from({ length: n }, () => {
    if (completions === 1) return [law.draw(draws)]
    const own = law.draw(draws)
    return Array.from({ length: completions }, () => (draws.uniform() < 0.5 ? own : law.draw(draws)))
  })
}
