import { afterAll, describe, expect, it } from 'vitest'
import { openEngine } from '../engine/index.ts'
import { cancelling } from './cancelling.ts'
import { type Case, openCase } from './case.ts'
import { smallModel, smallPairs } from './small-model.ts'
import { steered } from './steered.ts'
import { takeAudits } from './take-audits.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())
const [model, examples] = [smallModel(0), smallPairs(0, 24)]
const plain: Case = { name: 'plain', about: 'nothing special', fires: [], recipe: () => ({}) }

const open = (one: Case, batch: number, given = examples) => openCase(engine, one, { model, examples: given, seed: 0, steps: 3, batch })

describe('channels 4 and 5', () => {
  it('a batch of one has no variance within', async () => {
    const target = await open(plain, 1)
    await expect(takeAudits(target, { seed: 0 }, {}, [cancelling])).rejects.toThrow(
      /train\.batch must be 2 or more for cancelling, whose statistic is a variance within batches, got 1/,
    )
  })

  it('one batch in the order of a file is too few to compare, and one that is all of the data is clean', async () => {
    const spread = async (batch: number) => {
      const target = await open({ ...plain, recipe: () => ({ shuffle: false }) }, batch, examples.slice(0, 3))
      return (await takeAudits(target, { seed: 0 }, {}, [cancelling])).rows
    }
    expect(new Set((await spread(2)).map(({ finding, why }) => `${finding}: ${why}`))).toEqual(
      new Set(['cannot tell: 1 batches of 2 are too few to tell batches that cancel from chance; give more data, or take more steps']),
    )
    expect(new Set((await spread(3)).map(({ finding }) => finding))).toEqual(new Set(['clean']))
  })

  it('data that were there before are clean for that reason, and it says so', async () => {
    const target = await open(plain, 2)
    const { rows } = await takeAudits(target, { seed: 0 }, {}, [steered])
    expect(new Set(rows.map(({ finding }) => finding))).toEqual(new Set(['clean']))
    expect(rows[0]!.why).toMatch(/all data were there before the first step/)
  })

  it('without anyone to ask about what the policy does not say it cannot tell', async () => {
    const target = await open({ ...plain, recipe: () => ({ judge: () => 0 }) }, 2, examples.slice(0, 8))
    const { data } = target
    const { prefer: _, ...silent } = data as Extract<typeof data, { kind: 'adaptive' }>
    const { rows } = await takeAudits({ ...target, data: silent }, { seed: 0 }, {}, [steered])
    expect(new Set(rows.map(({ finding }) => finding))).toEqual(new Set(['cannot tell']))
  })
})
