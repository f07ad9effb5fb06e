import { mergeMethod } from './method.ts'

/** Swaps in the other model's entries where they are near the base's; the farther away, the less. */
export const nearswap = mergeMethod({
  name: 'nearswap',
  about: 'w·θ + (1 − w)·base, w = min(1, t / |θ − base|)',
  source: 'the model card of alchemonaut/QuartetAnemoi-70B-t0.0001, 2024',
  base: 'needed',
  models: { least: 2, most: 2 },
  parameters: { t: { of: 'merge', kind: 'number', about: 'entries that differ less are swapped whole' } },

  merge({ base, others }, { t }) {
    const [a, b] = [base!, others[0]!]
    for (let i = 0; i < a.length; i++) {
      const w = Math.min(1, Math.max(0, t / Math.max(1e-6, Math.abs(a[i]! - b[i]!))))
      a[i] = w * b[i]! + (1 - w) * a[i]!
    }
    return a
  },
})
