import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { meanInterval } from '../accept/index.ts'
import { isTensor, leaves, type Tensor, tensor } from '../graph/index.ts'
import { tapNames } from '../models/taps.ts'
import { type Model, openModel, readParams } from '../policy/index.ts'
import { random } from '../random/index.ts'
import { renderPage } from '../runs/index.ts'
import { qualities, through } from './autoencoder-quality.ts'
import { featuresPage } from './features-page.ts'
import { begun } from './fit-autoencoder.ts'
import { fitSae } from './fit-sae.ts'
import { hookOf, tapOfHook } from './hook-names.ts'
import { openEncoder } from './open-encoder.ts'
import { ratioInterval } from './ratio-interval.ts'
import { reinitialised } from './reinitialised.ts'
import { saeFeatures } from './sae-features.ts'
import { loadSae } from './sae-lens.ts'
import { decode, encode, reconstruction, type SparseAutoencoder } from './sparse-autoencoder.ts'
import { rowBatches, tokenRows } from './token-rows.ts'

let model: Model
beforeAll(async () => void (model = await openModel('fixtures/llama-tiny')))
afterAll(() => model.close())

const tap = 'blocks.1.out'
const nouns = 'fox bird moon river song home sun friend'.split(' ')
const words = Array.from(
  { length: 24 },
  (_, i) => `${i}: the ${nouns[i % 8]} and the ${nouns[(i * 3 + 1) % 8]} sang${' and sang'.repeat(i % 3)}`,
)
const read = () => words.map((text) => ({ ids: model.ids(text) }))

/** Rows of every text as the model is read one by one. */
async function rowsOf(skip: number): Promise<Tensor[]> {
  const all = await model.read(words, { x: tap })
  return all.map(({ x: { shape, data } }) => {
    const [n, d] = shape as [number, number]
    return tensor(Float32Array.from(data.slice(skip * d)), [n - skip, d])
  })
}

function joined(rows: readonly Tensor[]): Tensor {
  const d = rows[0]!.shape[1]!
  const data = Float32Array.from(rows.flatMap((one) => [...one.data]))
  return tensor(data, [data.length / d, d])
}

describe('rows of tokens', () => {
  it('are those of each text read by itself, without the first ones', async () => {
    const wanted = await rowsOf(2)
    const got: Tensor[] = []
    for await (const { rows } of tokenRows(model, read(), { tap, skip: 2 })) got.push(...rows)
    expect(got.map(({ shape }) => shape)).toEqual(wanted.map(({ shape }) => shape))
    for (const [i, one] of got.entries()) expectClose(one.data, wanted[i]!.data, tolerances.teacherForced)
  })

  it('come in batches that hold each row once in a pass, in another order for another seed', async () => {
    const all = joined(await rowsOf(1))
    const [n, d] = all.shape as [number, number]
    const batch = 8
    const pass = async (seed: number) => {
      const found: Tensor[] = []
      for await (const x of rowBatches(model, read(), { tap, skip: 1, batch, passes: 1, seed })) found.push(x)
      return joined(found)
    }
    const [one, other] = [await pass(0), await pass(1)]
    expect(one.shape).toEqual([Math.floor(n / batch) * batch, d])
    const firsts = (x: Tensor) => Array.from({ length: x.shape[0]! }, (_, i) => x.data[i * d]!)
    const sorted = (x: Tensor) => firsts(x).sort((a, b) => a - b)
    const have = sorted(all)
    let at = 0
    for (const value of sorted(one)) {
      while (at < have.length && Math.abs(have[at]! - value) > tolerances.teacherForced.absolute) at++
      expect(at++).toBeLessThan(have.length)
    }
    expect(firsts(one)).not.toEqual(firsts(other))
  })

  it('are refused of taps that are not one vector for each token', async () => {
    const first = (of: string) => tokenRows(model, read(), { tap: of, skip: 0 }).next()
    await expect(first('blocks.0.attn.z')).rejects.toThrow(
      'tap blocks.0.attn.z: must be one tap with one vector for each token, got [R, heads',
    )
    await expect(first('blocks.*.out')).rejects.toThrow('got 2 taps')
  })
})

describe('numbers of held-out texts', () => {
  it('a ratio over texts of one size is the mean of theirs, with its interval; of others the ratio of sums', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 3, maxLength: 40 }), (hundredths) => {
        const shares = hundredths.map((x) => x / 100)
        const mean = meanInterval('r', shares, 'share')
        const found = ratioInterval('r', shares.map((x) => 7 * x), shares.map(() => 7), 'share') // biome-ignore format: one line
        expectClose([found.estimate, found.low, found.high], [mean.estimate, mean.low, mean.high], tolerances.reordered)
      }),
    )
    expect(ratioInterval('r', [1, 0, 3], [2, 5, 3], 'share').estimate).toBeCloseTo(0.4, 12)
  })

  it('are those of all rows together', async () => {
    const rows = await rowsOf(1)
    const params = begun(joined(rows), 40, 3)
    const encoder = await openEncoder(model.policy.engine, { k: 5, centred: true, rescaled: false, params })
    async function* texts() {
      yield { texts: [], rows: rows.slice(0, 10) }
      yield { texts: [], rows: rows.slice(10) }
    }
    const { own } = await qualities(texts(), { own: { features: 40, read: through(encoder) } })
    await encoder.close()
    const whole = reconstruction({ k: 5, centred: true, rescaled: false, params }, joined(rows))
    expectClose([own.varianceExplained.estimate], [whole.varianceExplained], tolerances.golden)
    expect(own.l0).toMatchObject({ estimate: expect.closeTo(whole.l0, 9), n: rows.length })
    expect([own.dead, own.tokens]).toEqual([whole.dead, joined(rows).shape[0]])
  })
})

describe('an autoencoder in the engine', () => {
  it.each(['topk', 'topk-rescaled', 'standard'])('%s: encodes and decodes as it is defined', async (name) => {
    const { autoencoder } = await loadSae(`fixtures/sae-lens/${name}`)
    const x = tensor(Float32Array.from(random(4, 'x').normals(1030 * 8)), [1030, 8])
    const encoder = await openEncoder(model.policy.engine, autoencoder)
    const active = await encoder.encode(x)
    const wanted = encode(autoencoder, x)
    const dense = new Float32Array(wanted.data.length)
    for (const [i, { features, values }] of active.entries()) for (const [j, f] of features.entries()) dense[i * 24 + f] = values[j]!
    expectClose(dense, wanted.data, tolerances.golden)
    expectClose(encoder.decode(active).data, decode(autoencoder, wanted).data, tolerances.golden)
    await encoder.close()
  })
})

describe('fitting on a model', () => {
  it('does better than it began, and the same training on random weights stands beside it', async () => {
    const steps: [number, number][] = []
    const options = { tap, features: 48, k: 4, passes: 12, batch: 32, lr: 5e-3, heldOut: 0.25, onStep: (step: number, of: number) => void steps.push([step, of]) } // biome-ignore format: one line
    const { autoencoder, heldOut, controls, texts, steps: taken } = await fitSae(model, read(), options)
    expect(texts).toEqual([18, 6])
    expect(steps.at(-1)).toEqual([2 * taken, 2 * taken])
    expect(heldOut.varianceExplained.estimate).toBeGreaterThan(controls.untrained.varianceExplained.estimate + 0.1)
    expect(heldOut.l0.estimate).toBeLessThanOrEqual(4)
    expect(controls.components.l0.estimate).toBe(4)
    expect(controls.reinitialised.tokens).toBe(heldOut.tokens)
    expect(controls.reinitialised.varianceExplained.estimate).not.toBe(heldOut.varianceExplained.estimate)
    // Directions have length 1 although rows were scaled.
    const [features, d] = autoencoder.params.W_dec.shape as [number, number]
    for (let f = 0; f < features; f++) expect(Math.hypot(...autoencoder.params.W_dec.data.slice(f * d, (f + 1) * d))).toBeCloseTo(1, 5)
    await expect(fitSae(model, read().slice(0, 2), options)).rejects.toThrow('1 text or more to fit on and 2 to hold out are needed')
    await expect(fitSae(model, read(), { ...options, k: 999 })).rejects.toThrow('k must be at most the')
  })

  it('a model with weights drawn anew has other matrices of the same size, and its own vectors', async () => {
    const [own, drawn] = await Promise.all(
      [model, await reinitialised(model, 3)].map(async ({ policy }) => leaves(await readParams(policy), isTensor)),
    )
    for (const [i, [name, value]] of drawn!.entries()) {
      const was = own![i]![1]
      if (value.shape.length < 2) expect(value.data, name).toEqual(was.data)
      else {
        expect(value.data, name).not.toEqual(was.data)
        const deviation = ({ data }: Tensor) => Math.hypot(...data) / Math.sqrt(data.length)
        expect(deviation(value) / deviation(was), name).toBeCloseTo(1, 1)
      }
    }
  })
})

describe('features', () => {
  it('are counted over tokens, and shown where they are strongest, one token a text', async () => {
    const rows = await rowsOf(1)
    const sae: SparseAutoencoder = { k: 3, centred: true, rescaled: false, params: begun(joined(rows), 30, 5) }
    const { features, quality } = await saeFeatures(model, sae, read(), { tap, top: 3 })
    const dense = rows.map((x) => encode(sae, x))
    const tokens = rows.reduce((sum, { shape }) => sum + shape[0]!, 0)
    expect(quality.tokens).toBe(tokens)
    for (const { feature, frequency, mean, max, top } of features) {
      const of = dense.map(({ shape, data }) => Array.from({ length: shape[0]! }, (_, i) => data[i * 30 + feature]!))
      const used = of.flat().filter((value) => value > 0)
      expect(frequency.estimate).toBeCloseTo(used.length / tokens, 9)
      expectClose([max, mean], used.length ? [Math.max(...used), used.reduce((a, b) => a + b) / used.length] : [0, 0], tolerances.golden)
      const best = of.map((values, text) => ({ text, activation: Math.max(...values) })).filter(({ activation }) => activation > 0)
      best.sort((a, b) => b.activation - a.activation)
      expectClose(top.map(({ activation }) => activation), best.slice(0, 3).map(({ activation }) => activation), tolerances.golden) // biome-ignore format: one line
      for (const { text, position, before, token, after } of top) {
        expect(words[text]).toContain((before + token + after).trim())
        expect(model.tokenizer.decode([model.ids(words[text]!)[position]!]).trim()).toBe(token.trim())
      }
    }
    expect(features.reduce((sum, { weight }) => sum + weight, 0)).toBeCloseTo(1, 9)
    const page = renderPage(featuresPage({ model: 'tiny', tap, texts: words.length }, features, quality))
    for (const part of ['How often', 'Strongest', '<mark', `Feature ${features.toSorted((a, b) => b.weight - a.weight)[0]!.feature}<`]) expect(page).toContain(part) // biome-ignore format: one line
    await expect(saeFeatures(model, { ...sae, params: begun(tensor([1, 2, 3, 4], [2, 2]), 4, 0) }, read(), { tap })).rejects.toThrow(
      'numbers of blocks.1.out, got one of 2',
    )
  })

  it('places have TransformerLens’s names both ways', () => {
    for (const name of tapNames(model.config)) {
      const hook = hookOf(name)
      if (hook) expect(tapOfHook(hook)).toBe(name)
    }
    expect(hookOf('blocks.1.out')).toBe('blocks.1.hook_resid_post')
    expect(['blocks.4.hook_resid_pre', 'blocks.0.hook_resid_pre', 'blocks.2.hook_mlp_out'].map(tapOfHook)).toEqual([
      'blocks.3.out',
      'embed',
      'blocks.2.mlp.out',
    ])
    expect([hookOf('final'), hookOf('blocks.0.attn.z'), tapOfHook('hook_embed')]).toEqual([undefined, undefined, undefined])
  })
})
