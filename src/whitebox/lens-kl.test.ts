import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { afterAll, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { at, openModel } from '../policy/index.ts'
import { type Lens, lensLogps } from './lens.ts'
import { lensKl } from './lens-kl.ts'
import { logitLens } from './logit-lens.ts'
import { openTapRows } from './tap-rows.ts'
import { fitTuned } from './tuned-lens.ts'

const model = await openModel('fixtures/llama-tiny')
afterAll(() => model.close())
const said = ['Once upon a time there was a cat', 'The dog sat down and ran', 'One day']
const texts = said.map((text) => ({ ids: model.ids(text) }))

/** What the definition says, in f64 from log-probabilities that are read one text at a time. */
async function plainly(lens: Lens, skip: number): Promise<number[]> {
  const found: number[] = []
  for (const [layer, map] of lens.maps.entries()) {
    const all: number[] = []
    for (const text of said) {
      const truth = await model.logprobs(text)
      const { stream } = await model.read(text, { stream: `blocks.${layer}.out` })
      const seen = await lensLogps(model.policy, stream, map)
      for (let t = skip; t < truth.shape[0]!; t++) {
        const lensed = at(seen, t).data
        all.push([...at(truth, t).data].reduce((sum, logp, v) => sum + Math.exp(logp) * (logp - lensed[v]!), 0))
      }
    }
    found.push(all.reduce((sum, x) => sum + x, 0) / all.length)
  }
  return found
}

it('KL from the model to a lens is what log-probabilities give, and 0 after the last block', async () => {
  const lens = logitLens(model.config)
  const found = await lensKl(model, texts, lens, { skip: 2 })
  expectClose(found, await plainly(lens, 2), tolerances.plainly)
  expect(found.length).toBe(model.config.layers)
  expect(found[0]).toBeGreaterThan(0.01)
  expect(Math.abs(found.at(-1)!)).toBeLessThan(1e-5)
})

it('a tuned lens has the KL that its fit tells, and less than the logit lens', async () => {
  const { lens, kl } = await fitTuned(model, texts, { skip: 1, steps: 30, batch: 8 })
  const found = await lensKl(model, texts, lens, { skip: 1 })
  expectClose(
    found,
    kl.map(({ tuned }) => tuned),
    tolerances.plainly,
  )
  expectClose(found, await plainly(lens, 1), tolerances.plainly)
  expect(kl[0]!.tuned).toBeLessThan(kl[0]!.logit)
})

it('rows of taps are those of the texts, in any order, and leave nothing behind', async () => {
  const before = readdirSync(tmpdir()).filter((name) => name.startsWith('innate-tap-rows-')).length
  const rows = await openTapRows(model, texts, ['blocks.0.out', 'final'])
  const { final } = await model.read(said[1]!, { final: 'final' })
  const start = texts[0]!.ids.length
  const found = rows.rows('final', [start + 2, start, start + 2])
  for (const [i, t] of [2, 0, 2].entries()) expectClose(at(found, i).data, at(final, t).data, tolerances.plainly)
  await rows.close()
  await expect(openTapRows(model, texts, ['blocks.9.out'])).rejects.toThrow(/blocks\.9\.out/)
  expect(readdirSync(tmpdir()).filter((name) => name.startsWith('innate-tap-rows-')).length).toBe(before)
})
