import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { families } from '../models/families/index.ts'
import { type Model, openModel } from '../policy/index.ts'
import { methods } from './methods.ts'

describe('methods', () => {
  it('each has a name of its own, a sentence and a source', () => {
    expect(new Set(methods.map(({ name }) => name)).size).toBe(methods.length)
    for (const { about, source } of methods) {
      expect(about).toMatch(/^[A-Z].*\.$/s)
      expect(source).not.toBe('')
    }
  })
})

describe.each(Object.keys(families))('on a small model of %s', (family) => {
  let model: Model
  beforeAll(async () => {
    model = await openModel(`fixtures/family-${family.replaceAll('_', '-')}`)
  })
  afterAll(() => model.close())

  it.each(methods)('the laws of $name hold', async ({ laws }) => {
    const found = await laws(model)
    expect(found.length).toBeGreaterThan(0)
    for (const { law, seen, wanted, within } of found) {
      expect(within, law).toBeLessThan(Math.max(1, Math.abs(wanted)))
      expect(Math.abs(seen - wanted), `${law}: got ${seen}, wanted ${wanted} within ${within}`).toBeLessThanOrEqual(within)
    }
  })
})
