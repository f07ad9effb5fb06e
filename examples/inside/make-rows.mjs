// Labelled texts for the probe of both recipes: stories that stories5m tells, called kind or not by the lexicon of the goal of that name.
//   node examples/inside/make-rows.mjs > rows.jsonl
import { readFileSync } from 'node:fs'
import { goals, openModel } from 'innate'
import { sampleCompletions } from 'innate/policy'

const prompts = readFileSync(new URL('../stories/prompts.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .slice(0, 400)
const model = await openModel('stories5m')
const ids = prompts.map((line) => model.ids(JSON.parse(line).prompt).slice(0, 24))
const groups = await sampleCompletions(model.policy, ids, { seed: 1, maxTokens: 48, eosIds: model.eosIds, batch: 64 })
const told = groups.map(([completion], i) => {
  const before = model.tokenizer.decode(ids[i])
  const whole = model.tokenizer.decode([...ids[i], ...completion.ids])
  return {
    whole,
    valence: goals.kind.measure({
      prompt: before,
      text: whole.slice(before.length),
      tokens: completion.ids.length,
      ended: completion.ended,
    }),
  }
})
await model.close()
// The middle fifth is neither.
const sorted = told.map(({ valence }) => valence).sort((a, b) => a - b)
const [low, high] = [0.4, 0.6].map((share) => sorted[Math.floor(share * sorted.length)])
for (const { whole, valence } of told)
  if (valence < low || valence > high) console.log(JSON.stringify({ text: whole, label: valence > high ? 'kind' : 'unkind' }))
