import { type Given, mergeMethod } from './method.ts'

const epsilon = { of: 'merge', kind: 'number', default: 1e-5, about: 'a smaller difference is none' } as const

/** Adds the differences of entries that one model alone changed, and averages those that several changed. */
export const ram = mergeMethod({
  name: 'ram',
  about: 'base + δ where one model differs, base + the mean δ where several do',
  source: 'Reinforced Agent Merging, 2026, arXiv:2601.13572',
  base: 'needed',
  models: { least: 1 },
  parameters: { epsilon },

  merge: (given, values) => addChanges(given, values.epsilon, () => 1),
})

/** The same, where what one model alone changed counts the more the larger the share is that it has in common with others. */
export const ramPlus = mergeMethod({
  name: 'ramplus_tl',
  about: 'as ram, what one model alone changed times 1 + r · min(α, shared / unique)',
  source: 'Reinforced Agent Merging, 2026, arXiv:2601.13572, tensor by tensor',
  base: 'needed',
  models: { least: 1 },
  parameters: {
    r: { of: 'merge', kind: 'number', default: 0.1, about: 'how much more what is unique counts' },
    alpha: { of: 'merge', kind: 'number', default: 0.2, about: 'shared over unique at most' },
    epsilon,
  },

  merge: (given, { r, alpha, epsilon }) =>
    addChanges(given, epsilon, (shared, unique) => 1 + r * Math.min(alpha, Math.max(0, shared / Math.max(epsilon, unique)))),
})

/** `scale` is told how many entries a model changed together with others, and how many alone. */
function addChanges({ base, others }: Given, epsilon: number, scale: (shared: number, unique: number) => number): Float32Array {
  const from = base!
  if (others.length === 0) return from
  const least = Math.fround(epsilon)
  const changed = (x: Float32Array, i: number) => Math.abs(Math.fround(x[i]! - from[i]!)) > least
  const [shared, unique] = [others.map(() => 0), others.map(() => 0)]
  for (let i = 0; i < from.length; i++) {
    let [count, only] = [0, 0]
    for (let m = 0; m < others.length; m++) {
      if (!changed(others[m]!, i)) continue
      only = m
      count++
    }
    if (count === 1) unique[only]!++
    else if (count > 1) for (let m = 0; m < others.length; m++) if (changed(others[m]!, i)) shared[m]!++
  }
  const scales = others.map((_, m) => scale(shared[m]!, unique[m]!))
  const out = others[0]!
  for (let i = 0; i < from.length; i++) {
    let [sum, only, count] = [0, 0, 0]
    for (let m = 0; m < others.length; m++) {
      if (!changed(others[m]!, i)) continue
      sum += others[m]![i]! - from[i]!
      only = m
      count++
    }
    out[i] = from[i]! + (count > 1 ? sum / count : count === 1 ? sum * scales[only]! : 0)
  }
  return out
}
