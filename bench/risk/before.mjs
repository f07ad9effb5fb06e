// The intervals as they were at commit 81c6215: a BCa bootstrap over prompts with 2 000 draws and one seed, for the column "before".
import { quantileSorted } from 'simple-statistics'
import { normalCdf, normalQuantile } from '../../dist/goals/special-functions.js'

export const meanOf = (_, values) => bootstrap(values.map(mean))
export const winRate = (votes) => share(votes.map((group) => mean(group.map(([a, b]) => (a > b ? 1 : a === b ? 0.5 : 0)))))
export const shareEnded = (ended) => share(ended.map((group) => mean(group.map(Number))))
export const lengthRatio = (policy, reference) => bootstrap(policy.map(mean), reference.map(mean))

function mean(values) {
  let sum = 0
  for (const value of values) sum += value
  return sum / values.length
}

function share(prompts) {
  const found = bootstrap(prompts)
  const edge = 0.025 ** (1 / found.n)
  if (found.estimate === 1) return { ...found, low: edge }
  if (found.estimate === 0) return { ...found, high: 1 - edge }
  return found
}

/** Of Σx/Σy, and of the mean of x where there is no y. */
function bootstrap(x, y = x.map(() => 1)) {
  const n = x.length
  const [over, under] = [mean(x) * n, mean(y) * n]
  const random = mulberry32(0)
  const draws = new Float64Array(2000)
  for (let r = 0; r < draws.length; r++) {
    let [a, b] = [0, 0]
    for (let i = 0; i < n; i++) {
      const at = Math.floor(random() * n)
      a += x[at]
      b += y[at]
    }
    draws[r] = a / b
  }
  draws.sort()
  const leftOut = x.map((value, i) => (over - value) / (under - y[i]))
  const estimate = over / under
  const at = adjusted(estimate, draws, leftOut)
  return { estimate, low: quantileSorted(draws, at(0.025)), high: quantileSorted(draws, at(0.975)), n, unit: '' }
}

function adjusted(estimate, draws, leftOut) {
  let below = 0
  for (const draw of draws) below += draw < estimate ? 1 : draw === estimate ? 0.5 : 0
  if (below === 0 || below === draws.length) return (p) => p
  const bias = normalQuantile(below / draws.length)
  const centre = mean(leftOut)
  const square = leftOut.reduce((sum, x) => sum + (centre - x) ** 2, 0)
  const cube = leftOut.reduce((sum, x) => sum + (centre - x) ** 3, 0)
  const acceleration = square ** 1.5 > 0 ? cube / (6 * square ** 1.5) : 0
  return (p) => {
    const z = bias + normalQuantile(p)
    return normalCdf(bias + z / (1 - acceleration * z))
  }
}

function mulberry32(seed) {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
