import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { openModel } from '../policy/index.ts'
import { perplexity } from './perplexity.ts'

it('perplexity is the mean next-token cross-entropy of transformers (golden file by oracle/), and that of the model that read it last', async () => {
  const { tokens, loss } = JSON.parse(readFileSync('fixtures/llama-tiny/golden.json', 'utf8')) as { tokens: number[][]; loss: number }
  const model = await openModel('fixtures/llama-tiny')
  // Ids as their numbers, since the golden ids were drawn at random and are nobody's text.
  const tokenizer = { ...model.tokenizer, encode: (text: string) => text.split(' ').filter(Boolean).map(Number) }
  const by = { policy: model.policy, checkpoint: { name: model.name, hash: model.hash, eosIds: model.eosIds, tokenizer } }
  const samples = tokens.map(([first, ...rest]) => ({ prompt: `${first}`, text: ` ${rest.join(' ')}`, tokens: rest.length, ended: false }))
  const goal = perplexity()
  await goal.read!(samples, by)
  const costs = samples.map(goal.measure)
  expect((costs[0]! + costs[1]!) / 2).toBeCloseTo(loss, 5)
  const nothing = { prompt: '5 6', text: '', tokens: 0, ended: false }
  await goal.read!([nothing], by)
  expect([goal.measure(nothing), ...samples.map(goal.measure)]).toEqual([0, ...costs])
  await goal.read!([], { ...by, checkpoint: { ...by.checkpoint, hash: 'another' } })
  expect(() => goal.measure(samples[0]!)).toThrow('goal perplexity: must be read by a model before it is measured')
  await model.close()
})
