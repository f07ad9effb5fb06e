import { afterAll, describe, expect, it } from 'vitest'
import { distribution, expectTeacherForced } from '../../test/teacher-forced.ts'
import { loadCheckpoint } from '../checkpoints/checkpoint.ts'
import { openEngine } from '../engine/index.ts'
import type { Sampling } from '../models/sampling.ts'
import { jsonSchema } from '../text/index.ts'
import { openPolicy } from './policy.ts'
import { sampleCompletions } from './sample.ts'

const engine = openEngine({ threads: 1 })
afterAll(() => engine.close())
const model = await loadCheckpoint('fixtures/llama-tiny')
const policy = await openPolicy(engine, model)
// One token in twenty ends a completion.
const eosIds = Array.from({ length: model.config.vocabSize / 20 }, (_, i) => i)

describe('constrained completions', () => {
  const schema = { type: 'object', properties: { kind: { enum: ['fox', 'bird'] }, legs: { type: 'boolean' } }, required: ['kind', 'legs'] }
  const given = [[3, 70, 12], [5]]

  it.each<Partial<Sampling>>([{}, { temperature: 0 }, { temperature: 40, topK: 30 }, { topP: 0.9, minP: 0.01, repetitionPenalty: 1.3 }])(
    'follow their schema to its end with %j',
    async (options) => {
      const constrain = await jsonSchema('schema', { ...schema, additionalProperties: false }, model.tokenizer, model.eosIds)
      const common = {
        perPrompt: 2,
        batch: 4,
        maxTokens: 40,
        seed: 6,
        eosIds: model.eosIds,
        tokenizer: model.tokenizer,
        constrain,
        ...options,
      }
      const said = await sampleCompletions(policy, given, common)
      for (const { text, ended } of said.flat()) {
        expect(ended).toBe(true)
        expect(JSON.parse(text!)).toEqual({ kind: expect.toBeOneOf(['fox', 'bird']), legs: expect.toBeOneOf([true, false]) })
      }
      await expectTeacherForced(policy, given, said)
    },
  )

  it('take the likeliest token that is allowed', async () => {
    const allowed = [7, 9, 200]
    const constrain = async () => ({ allowed: async () => (id: number) => allowed.includes(id), push() {}, close() {} })
    const said = await sampleCompletions(policy, given, { temperature: 0, maxTokens: 1, seed: 0, eosIds: [], constrain })
    for (const [i, [completion]] of said.entries()) {
      const scores = await distribution(policy, given[i]!)
      expect(completion!.ids).toEqual([allowed.reduce((best, id) => (scores[id]! > scores[best]! ? id : best))])
    }
  })

  it('close every follower, after a failure too', async () => {
    let open = 0
    const constrain = async () => {
      open++
      return { allowed: async () => () => true, push() {}, close: () => void open-- }
    }
    await sampleCompletions(policy, given, { seed: 0, eosIds, maxTokens: 20, perPrompt: 2, constrain })
    expect(open).toBe(0)
    const onCompletion = () => {
      throw new Error('enough')
    }
    await expect(
      sampleCompletions(policy, given, { seed: 0, eosIds, maxTokens: 20, perPrompt: 2, constrain, onCompletion }),
    ).rejects.toThrow('enough')
    expect(open).toBe(0)
  })
})
