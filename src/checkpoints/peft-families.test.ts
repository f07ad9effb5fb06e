import { readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { isTensor, leaves, type Tensor } from '../graph/index.ts'
import type { Adapters } from '../models/adapters.ts'
import { freshAdapters, mergeAdapters } from '../models/lora.ts'
import { random } from '../random/index.ts'
import { loadCheckpoint } from './checkpoint.ts'
import { loadAdapters } from './load-peft.ts'
import { saveAdapters } from './peft.ts'

const root = await mkdtemp(join(tmpdir(), 'innate-peft-'))
afterAll(() => rm(root, { recursive: true }))
const families = readdirSync('fixtures').filter((name) => name.startsWith('family-'))

/** Adapters that change something: b is not zero, and norms are not those of the weights. */
function moved(adapters: Adapters<Tensor>): Adapters<Tensor> {
  const { uniform } = random(5, 'noise')
  const noisy = ({ data, ...type }: Tensor, k: number, by = 0.3): Tensor => ({
    ...type,
    data: Float32Array.from(data, (x, i) => x + by * (uniform(k, i) - 0.5)),
  })
  const layers = Object.entries(adapters.layers).map(([path, { a, b, magnitude }], k) => [
    path,
    { a, b: noisy(b, k), ...(magnitude ? { magnitude: noisy(magnitude, 1000 + k) } : {}) },
  ])
  return { ...adapters, layers: Object.fromEntries(layers) }
}

describe.each(families)('adapters of %s in PEFT’s format', async (family) => {
  const { config, params } = await loadCheckpoint(join('fixtures', family))

  it.each([
    ['LoRA', {}],
    ['on some layers', { targets: ['q', 'v', 'up'] }],
    ['DoRA', { dora: true }],
  ] as const)('%s: saved and loaded they change the weights alike', async (name, more) => {
    const fresh = freshAdapters(config, { rank: 2, alpha: 6, seed: 1, ...more }, params)
    const adapters = moved(fresh)
    const folder = join(root, `${family}-${name}`)
    await saveAdapters(folder, adapters, { name: family, config })
    const [want, got] = [mergeAdapters(params, adapters), mergeAdapters(params, await loadAdapters(folder, config))].map((merged) =>
      leaves(merged, isTensor),
    )
    for (const [i, [path, { data }]] of want!.entries()) {
      const worst = Math.max(...data.map((x, k) => Math.abs(x - got![i]![1].data[k]!)))
      expect(worst, path).toBeLessThan(1e-6)
    }
    expect(want!.some(([path, { data }], i) => data.some((x, k) => x !== leaves(params, isTensor)[i]![1].data[k]) && path)).toBe(true)
  })
})
