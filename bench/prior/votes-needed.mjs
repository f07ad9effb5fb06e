import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { align, loadRecipe } from '../../dist/index.js'

/** What each arm says otherwise than the recipe. */
const arms = {
  'votes alone': ['kappa=0'],
  'a: soft labels': ['kappa=1'],
  'b: choice by score': ['kappa=0', 'preferences.sdPenalty=1'],
  'c: tilted reference': ['tiltReference=true', 'kappa=0'],
}
const controls = { 'flipped prior, c': arms['c: tilted reference'] }

/** The votes that each way of using the prior needs until npm start's criteria hold. */
export default {
  name: 'votes needed',
  claim: 'a right weak prior in training lowers the votes needed to reach accepted; a flipped one raises them',
  source: 'goals.md §2: data needed to reach acceptance against prior bits',
  arms: Object.keys(arms),
  controls: Object.keys(controls),
  seeds: [1, 2, 3, 4],

  async run(arm, seed) {
    const file = arm in controls ? './flipped.ts' : './stories.ts'
    const folder = mkdtempSync(join(tmpdir(), 'innate-votes-'))
    try {
      const set = arms[arm] ?? controls[arm]
      const recipe = await loadRecipe(fileURLToPath(new URL(file, import.meta.url)), { seed, set, run: join(folder, 'run') })
      const looks = []
      const { verdict } = await align(recipe, { watch: { evaluation: (found) => void looks.push(found) } })
      const rounds = looks.filter(({ look }) => look === 'development')
      const last = looks.at(-1).measures
      return {
        accepted: verdict === 'accepted' ? 1 : 0,
        // Of a run that was not accepted, all that were cast: it needs more than these.
        votes: rounds.at(-1).contribution.votes,
        'win rate, round 1': rounds[0].measures.winRate.estimate,
        'utility, round 1': rounds[0].measures.utility.estimate,
        'win rate at the end': last.winRate.estimate,
        'gold at the end': last.gold.estimate,
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },

  decide({ rows }) {
    const votesOf = (arm) => rows.find(({ name, group }) => name === 'votes' && group.arm === arm).values
    const base = votesOf('votes alone')
    const spared = Object.keys(arms)
      .slice(1)
      .map((arm) => ({ arm, by: votesOf(arm).map((votes, i) => base[i] - votes) }))
    const mean = (values) => values.reduce((sum, x) => sum + x, 0) / values.length
    const best = spared.reduce((a, b) => (mean(b.by) > mean(a.by) ? b : a))
    const estimate = mean(best.by)
    const [low, high] = [Math.min(...best.by), Math.max(...best.by)]
    const verdict = low > 0 ? 'holds' : high < 0 ? 'does not hold' : 'cannot tell'
    return { verdict, estimate, low, high, n: base.length, why: `${best.arm} spares most votes; from the least to the most over seeds` }
  },
}
