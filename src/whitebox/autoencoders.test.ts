import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { openEngine } from '../engine/index.ts'
import { tensor } from '../graph/index.ts'
import { random } from '../random/index.ts'
import { fitAutoencoder } from './fit-autoencoder.ts'
import { loadSae, saveSae } from './sae-lens.ts'
import { decode, encode, largest, reconstruction, type SparseAutoencoder } from './sparse-autoencoder.ts'

const folder = mkdtempSync(join(tmpdir(), 'innate-sae-'))
afterAll(() => rmSync(folder, { recursive: true }))

interface Golden {
  readonly x: number[][]
  readonly cases: Readonly<Record<string, { encoded: number[][]; decoded: number[][] }>>
}
const golden = JSON.parse(readFileSync('fixtures/sae-lens/golden.json', 'utf8')) as Golden
const rows = tensor(Float32Array.from(golden.x.flat()), [golden.x.length, golden.x[0]!.length])

describe('folders of SAELens', () => {
  it.each(['topk', 'topk-rescaled', 'standard'])('%s: encoded and decoded as by SAELens, and the same once written again', async (name) => {
    const { autoencoder, place } = await loadSae(`fixtures/sae-lens/${name}`)
    const { encoded, decoded } = golden.cases[name]!
    expect(place).toEqual({ model: 'tiny', hook: 'blocks.1.hook_resid_post' })
    const features = encode(autoencoder, rows)
    expectClose(features.data, encoded.flat(), tolerances.golden)
    expectClose(decode(autoencoder, features).data, decoded.flat(), tolerances.golden)
    await saveSae(join(folder, name), autoencoder, place)
    const again = await loadSae(join(folder, name))
    expect(encode(again.autoencoder, rows).data).toEqual(features.data)
    expect(again.place).toEqual(place)
  })

  it('what is not understood is refused by its field', async () => {
    await expect(loadSae('fixtures/sae-lens/layer-norm')).rejects.toThrow('normalize_activations')
    const broken = join(folder, 'broken')
    cpSync('fixtures/sae-lens/topk', broken, { recursive: true })
    const config = JSON.parse(readFileSync(join(broken, 'cfg.json'), 'utf8'))
    const refuses = async (changed: object, message: string) => {
      writeFileSync(join(broken, 'cfg.json'), JSON.stringify({ ...config, ...changed }))
      await expect(loadSae(broken)).rejects.toThrow(message)
    }
    await refuses({ architecture: 'gated' }, 'architecture')
    await refuses({ k: 99 }, 'k must be 1 to 24 of a topk autoencoder, got 99')
    await refuses({ d_in: 9 }, 'W_enc must be [9,24], got [8,24]')
  })
})

interface Steps {
  readonly settings: { k: number; lr: number; auxiliary: { weight: number; k: number; after: number } }
  readonly first: Readonly<Record<string, number[] | number[][]>>
  readonly batches: number[][][]
  readonly with: { losses: number[]; dead: number[]; params: Readonly<Record<string, number[] | number[][]>> }
  readonly without: Steps['with']
}
const steps = JSON.parse(readFileSync('fixtures/autoencoder/golden.json', 'utf8')) as Steps

/** Nested numbers as a tensor. */
function nested(rows: readonly number[] | readonly (readonly number[])[]) {
  const flat = rows.flat() as number[]
  return tensor(Float32Array.from(flat), Array.isArray(rows[0]) ? [rows.length, rows[0].length] : [rows.length])
}

describe('training of a sparse autoencoder', () => {
  it.each(['with', 'without'] as const)('%s the loss for dead features is PyTorch’s, step by step', async (how) => {
    const { settings, first, batches, [how]: wanted } = steps
    const from = Object.fromEntries(Object.entries(first).map(([name, rows]) => [name, nested(rows)])) as SparseAutoencoder['params']
    const auxiliary = how === 'with' ? settings.auxiliary : { ...settings.auxiliary, weight: 0 }
    const [losses, dead]: [number[], number[]] = [[], []]
    const onStep = (_: number, loss: number, gone: number) => void [losses.push(loss), dead.push(gone)]
    const engine = openEngine()
    try {
      const features = from.b_enc.shape[0]!
      const { params } = await fitAutoencoder(engine, batches.map(nested), { ...settings, features, auxiliary, from, onStep })
      expectClose(losses, wanted.losses, tolerances.golden)
      expect(dead).toEqual(wanted.dead)
      for (const [name, { data }] of Object.entries(params)) expectClose(data, wanted.params[name]!.flat(), tolerances.golden)
    } finally {
      await engine.close()
    }
  })
})

describe('a sparse autoencoder', () => {
  it('the largest are those that sorting finds, the first of equals', () =>
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 20 }), fc.integer({ min: 0, max: 22 }), (values, k) => {
        const sorted = values.map((_, i) => i).sort((a, b) => values[b]! - values[a]! || a - b)
        expect(largest(values, k)).toEqual(sorted.slice(0, k))
      }),
    ))

  it('with a feature for each direction and back keeps all of a row', () => {
    const params = {
      W_enc: tensor([1, 0, -1, 0, 0, 1, 0, -1], [2, 4]),
      W_dec: tensor([1, 0, 0, 1, -1, 0, 0, -1], [4, 2]),
      b_enc: tensor([0, 0, 0, 0], [4]),
      b_dec: tensor([0, 0], [2]),
    }
    const x = tensor([3, -2, -1, 5, -4, -6], [3, 2])
    expect(reconstruction({ k: 2, centred: true, rescaled: false, params }, x)).toEqual({ varianceExplained: 1, l0: 2, dead: 0 })
    // Of one feature a row the larger part stays.
    expect([...encode({ k: 1, centred: true, rescaled: false, params }, x).data]).toEqual([3, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 6])
  })

  it('that is trained finds the dictionary its rows are made of', async () => {
    const [d, words, batch] = [16, 12, 128]
    const dictionary = random(1, 'dictionary').normals(words * d)
    const batchOf = (i: number) => {
      const said = random(i, 'said')
      const which = said.integers(2 * batch, words)
      const sizes = said.normals(2 * batch).map((value) => 1 + Math.abs(value))
      const data = Float32Array.from({ length: batch * d }, (_, at) => {
        const [row, c] = [Math.floor(at / d), at % d]
        return [0, 1].reduce((sum, j) => sum + sizes[2 * row + j]! * dictionary[which[2 * row + j]! * d + c]!, 0)
      })
      return tensor(data, [batch, d])
    }
    const engine = openEngine()
    try {
      const losses: number[] = []
      const batches = Array.from({ length: 400 }, (_, i) => batchOf(i))
      const settings = { features: 24, k: 2, lr: 3e-3, onStep: (_: number, loss: number) => void losses.push(loss) }
      const trained = await fitAutoencoder(engine, batches, settings)
      const { varianceExplained, l0, dead } = reconstruction(trained, batchOf(1000))
      expect(losses).toHaveLength(400)
      expect(losses.at(-1)).toBeLessThan(losses[0]! / 4)
      expect(varianceExplained).toBeGreaterThan(0.85)
      expect(l0).toBeLessThanOrEqual(2)
      expect(dead).toBeLessThan(24)
      const again = await fitAutoencoder(engine, batches.slice(0, 5), settings)
      const same = await fitAutoencoder(engine, batches.slice(0, 5), settings)
      expect(same.params.W_enc.data).toEqual(again.params.W_enc.data)
      await expect(fitAutoencoder(engine, [], settings)).rejects.toThrow('at least one batch of rows is needed, got none')
      await expect(fitAutoencoder(engine, batches, { ...settings, k: 25 })).rejects.toThrow('k must be 1 to 24, got 25')
    } finally {
      await engine.close()
    }
  })
})
