import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { readSafetensors } from '../checkpoints/index.ts'
import { tensor } from '../graph/index.ts'
import { openModel } from '../policy/index.ts'
import { random } from '../random/index.ts'
import { activationsOf } from './activations.ts'
import { assignment } from './assignment.ts'
import { stitch } from './stitch.ts'
import { leastSquares, mapped, permutation, procrustes, relative } from './stitch-maps.ts'
import { laidTexts, openTop, streamAt, textLosses } from './stitch-top.ts'

const golden = JSON.parse(await readFile('fixtures/stitch/golden.json', 'utf8')) as {
  texts: number[][]
  stitches: { a: string; b: string; layer: number; losses: number[]; plain: number[] }[]
}
const tensors = await readSafetensors('fixtures/stitch/golden.safetensors')

it.each(golden.stitches)('$a up to block $layer with the top of $b is what hooks of torch make of it, and so is its slope', async (of) => {
  const [a, b] = [await openModel(folderOf(of.a)), await openModel(folderOf(of.b))]
  try {
    // Few tokens at a time, so that there are several batches.
    const laid = laidTexts(golden.texts, b.policy, 64)
    expectClose(await textLosses(b.policy, laid), of.plain, tolerances.families)
    const x = await streamAt(a.policy, of.layer, laid)
    const top = openTop(b.policy, of.layer, laid)
    const stream = mapped({}, x)
    expectClose(await top.losses(stream), of.losses, tolerances.families)
    const wanted = tensors.get(`slope.${of.a}.${of.b}.${of.layer}`)!
    for (const batch of laid.batches.keys()) {
      const places = top.places(batch)
      const rows = (from: ArrayLike<number>, d: number) =>
        Float32Array.from(places.flatMap((p) => Array.from({ length: d }, (_, k) => from[p * d + k]!)))
      const { slope } = await top.slope(batch, tensor(rows(stream.data, x.d), [places.length, x.d]))
      expectClose(slope.map((v) => v * places.length), rows(wanted.data, x.d), tolerances.families) // biome-ignore format: one line
    }
  } finally {
    await a.close()
    await b.close()
  }
})

describe('maps between paired rows', () => {
  const [x, y] = ['x', 'y'].map((name) => activationsOf(tensors.get(name)!))

  it('are those of scipy and scikit-learn', () => {
    expectClose(mapped(procrustes(x!, y!), x!).data, tensors.get('procrustes')!.data, tolerances.families)
    expectClose(mapped(leastSquares(x!, y!), x!).data, tensors.get('leastSquares')!.data, tolerances.families)
    expectClose(mapped(relative(x!, y!, x!.n, 0), x!).data, tensors.get('relative')!.data, tolerances.families)
    expect(permutation(x!, y!).order).toEqual([...tensors.get('permutation')!.data])
  })

  it('an assignment earns most of all orders', () => {
    const orders = (left: number[]): number[][] => (left.length === 0 ? [[]] : left.flatMap((one) => orders(left.filter((other) => other !== one)).map((rest) => [one, ...rest]))) // biome-ignore format: one line
    for (let seed = 0; seed < 40; seed++) {
      const n = 1 + (seed % 6)
      const earns = Array.from(random(seed, 'earns').normals(n * n), (v) => (seed % 3 ? v : Math.round(2 * v)))
      const total = (order: number[]) => order.reduce((sum, to, from) => sum + earns[from * n + to]!, 0)
      const found = assignment(earns, n)
      expect([...found].sort((p, q) => p - q)).toEqual([...Array(n).keys()])
      expect(total(found)).toBeCloseTo(Math.max(...orders([...Array(n).keys()]).map(total)), 9)
    }
  })
})

describe('two models', () => {
  it('of one ancestor stitch as they are; the same bottom with fresh weights does not', async () => {
    const model = await openModel('stories5m')
    try {
      const texts = storiesOf(model)
      const { stitches, loss, chance, unigram } = await stitch(model, model, texts, {
        layers: [3],
        routes: ['identity', 'trained', 'permutation'],
        ranks: [2],
        steps: 4,
      })
      const by = Object.fromEntries(stitches.map((one) => [one.route, one]))
      expect(by.identity!.penalty).toMatchObject({ estimate: 0, low: 0, high: 0 })
      expect(by.identity!.loss.estimate).toBe(loss.estimate)
      expect(by.permutation!.penalty.estimate).toBe(0)
      // A fresh bottom says nothing of the text, so at best what comes next is guessed by how often it stands anywhere.
      expect(by.identity!.untrained.loss.estimate).toBeGreaterThan(0.8 * unigram)
      expect(unigram).toBeLessThan(chance)
      expect(by.trained!.loss.estimate).toBeLessThan(by.trained!.untrained.loss.estimate)
    } finally {
      await model.close()
    }
  })

  it('are refused by name where they do not fit', async () => {
    const [llama, wide, stories] = [
      await openModel('fixtures/family-llama'),
      await openModel('fixtures/family-phi3'),
      await openModel('stories5m'),
    ]
    try {
      const texts = ['One fox', 'A bird sang', 'The moon', 'Once there was'].map((text) => llama.ids(text))
      await expect(stitch(llama, stories, texts)).rejects.toThrow(/^stitch: both models must have one vocabulary, got 112 tokens in .* and 3072 in stories5m, where token \d+ is .*; take models of one tokenizer$/) // biome-ignore format: one line
      await expect(stitch(llama, wide, texts, { routes: ['trained', 'procrustes'] })).rejects.toThrow(/^stitch: procrustes must have streams of one width, got 16 in .* and 32 in .*; take trained or relative$/) // biome-ignore format: one line
      await expect(stitch(llama, wide, texts, { layers: [2] })).rejects.toThrow(
        /^stitch: layers must be from 0 to 1, which both models have, got 2/,
      )
      await expect(stitch(llama, wide, texts, { ranks: [17] })).rejects.toThrow(
        /^stitch: ranks must be from 1 to 16, the narrower stream, got 17/,
      )
      await expect(stitch(llama, llama, texts.slice(1))).rejects.toThrow(
        /^stitch: texts must be two or more to fit on and as many held out, got 1 and 2 of 3/,
      )
      await expect(stitch(llama, llama, [...texts, [3]])).rejects.toThrow(/^stitch: a text must have two tokens or more, got 1/)
      const { stitches } = await stitch(llama, wide, texts, { layers: [0], steps: 4 })
      expect(stitches.map(({ route, capacity }) => [route, capacity])).toEqual([['trained', 1], ['trained', 4], ['trained', 16], ['relative', expect.any(Number)]]) // biome-ignore format: one line
    } finally {
      for (const model of [llama, wide, stories]) await model.close()
    }
  })
})

function folderOf(family: string) {
  return `fixtures/family-${family.replaceAll('_', '-')}`
}

function storiesOf(model: { ids(text: string): readonly number[] }) {
  return [
    'Once upon a time there was a cat. The cat was happy and went to play with the ball.',
    'Tom and Sue went to the park. They saw a big dog. The dog was brown and it ran fast.',
    'One day, a little girl named Lily found a needle in her room. She wanted to share it with her mom.',
    'The sun was bright. Ben liked to run outside. He ran to his friend and they played all day.',
    'Mia had a red box. She put her toys in the box. Her brother came and asked for a toy.',
    'It was raining. The bird sat in the tree and sang a song. The children listened and smiled.',
  ].map((text) => model.ids(text))
}
