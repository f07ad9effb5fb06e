import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { extremes } from '../../dist/collect/extremes.js'
import { labelPairs } from '../../dist/collect/label.js'
import { goalPrior, goalScale, goals, loadRecipe } from '../../dist/index.js'
import { random } from '../../dist/random/index.js'
import { meanOver } from '../../dist/runs/compare.js'

const data = join(import.meta.dirname, '../../../shared/data/stories.jsonl.gz')
const perPrompt = 4
const pairs = [0, 1, 2, 3].flatMap((i) => [0, 1, 2, 3].slice(i + 1).map((k) => [i, k]))

/** How much more of the voter's hidden utility the best of four stories has than the worst, as each way chooses them from one vote a pair. */
export async function choice(seeds, say) {
  if (!existsSync(data)) throw new Error('bench prior --choice: not run here: needs ../shared/data/stories.jsonl.gz')
  const { preferences } = await loadRecipe(fileURLToPath(new URL('./stories.ts', import.meta.url)))
  const { utility } = preferences.judge
  const stories = gunzipSync(readFileSync(data))
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const stated = [goals.kind, goals.complete, goals.fluent]
  const flipped = stated.map((goal) => ({ ...goal, direction: -goal.direction }))
  const rows = []
  for (const prompts of [1, 2, 5, 10, 20, 40, 80]) {
    const found = {}
    for (let seed = 0; seed < seeds; seed++) {
      const { shuffled, uniform } = random(seed, `choice/${prompts}`)
      const told = shuffled(stories.map((_, i) => i)).slice(0, perPrompt * prompts + 200)
      const samples = told.map((at, i) => ({ tokens: 0, ended: true, ...stories[at], prompt: `${Math.floor(i / perPrompt)}` }))
      const scale = (of) => goalScale(of, samples.slice(-200))
      const groups = Array.from({ length: prompts }, (_, g) => samples.slice(g * perPrompt, (g + 1) * perPrompt))
      const voted = groups.flatMap((group, g) =>
        pairs.map(([i, k], n) => {
          const forA = uniform(g, n) < 1 / (1 + Math.exp(utility(group[k]) - utility(group[i]))) ? 1 : 0
          return { a: group[i], b: group[k], votes: [forA, 1 - forA], g, i, k }
        }),
      )
      const ways = {
        'votes alone': labelPairs(voted, 0),
        'a: soft labels': labelPairs(voted, 1, { prior: goalPrior({ goals: stated, strength: 20 }), scale: scale(stated) }),
        'a, flipped prior': labelPairs(voted, 1, { prior: goalPrior({ goals: flipped, strength: 20 }), scale: scale(flipped) }),
        'b: w·φ': labelPairs(voted, 0, { prior: goalPrior({ goals: stated, strength: 20 }), scale: scale(stated) }, 0),
        'b: w·φ − sd': labelPairs(voted, 0, { prior: goalPrior({ goals: stated, strength: 20 }), scale: scale(stated) }, 1),
        'b, flipped prior': labelPairs(voted, 0, { prior: goalPrior({ goals: flipped, strength: 20 }), scale: scale(flipped) }, 0),
      }
      for (const [way, { soft, standings }] of Object.entries(ways)) {
        const soften = voted.map(({ g, i, k }, n) => ({
          ...{ tree: { prompt: [g], completions: [[i], [k]] }, label: soft[n] },
          ...(standings ? { standings: standings[n] } : {}),
        }))
        // The better side is the one that stands higher by the way that chose the pair.
        const gains = extremes(soften).map(({ tree, label, standings: [first, second] = [label, 1 - label] }) => {
          const [one, other] = tree.completions.map(([at]) => utility(groups[tree.prompt[0]][at]))
          return Math.sign(first - second) * (one - other)
        })
        found[way] = [...(found[way] ?? []), gains.reduce((sum, x) => sum + x, 0) / gains.length]
      }
    }
    for (const [way, values] of Object.entries(found))
      rows.push({ prompts, votes: pairs.length * prompts, way, ...meanOver(way, values, 'log-odds') })
    say(`${pairs.length * prompts} votes`)
  }
  return rows
}
