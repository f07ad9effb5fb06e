import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/close.ts'
import { tolerances } from '../../test/tolerances.ts'
import { families } from '../models/families/index.ts'
import { at, type Model, openModel } from '../policy/index.ts'
import { fitJacobian } from './jacobian-lens.ts'
import { type LensMap, lensLogps } from './lens.ts'
import { valuesAt } from './values-at.ts'

const golden = JSON.parse(readFileSync('fixtures/lenses/golden.json', 'utf8')) as {
  ids: number[]
  skip: number
  families: Record<string, { jacobian: number[][]; logitLens: number[]; jacobianLens: number[] }>
}

it('every family has a golden lens', () => {
  expect(Object.keys(golden.families).toSorted()).toEqual(Object.keys(families).toSorted())
})

describe.each(Object.entries(golden.families))('lenses of a small %s', (family, { jacobian, logitLens, jacobianLens }) => {
  let model: Model
  beforeAll(async () => {
    model = await openModel(`fixtures/family-${family.replaceAll('_', '-')}`)
  })
  afterAll(() => model.close())

  it('are those of PyTorch', async () => {
    const { ids, skip } = golden
    const { maps } = await fitJacobian(model, [{ ids }], { skip })
    const wanted = jacobian.flat()
    const size = Math.max(...wanted.map(Math.abs))
    expectClose(
      Array.from(maps[0]!.matrix!.data, (x) => x / size),
      wanted.map((x) => x / size),
      tolerances.families,
    )
    const { 'blocks.0.out': stream } = await valuesAt(model, ids, ['blocks.0.out'])
    const read = async (map: LensMap) => at(await lensLogps(model.policy, stream!, map), -1).data.slice()
    expectClose(await read({}), logitLens, tolerances.families)
    expectClose(await read(maps[0]!), jacobianLens, tolerances.families)
  })
})
