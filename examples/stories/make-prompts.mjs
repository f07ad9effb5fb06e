// Makes prompts.jsonl: beginnings of stories by stories15m itself, cut after a sentence near the middle.
// Run with: node examples/stories/make-prompts.mjs [how many] > examples/stories/prompts.jsonl

import { loadCheckpoint } from '../../dist/checkpoints/index.js'
import { openEngine } from '../../dist/engine/index.js'
import { openPolicy, sampleCompletions } from '../../dist/policy/index.js'

const wanted = Number(process.argv[2] ?? 1200)
const { config, params, tokenizer, eosIds } = await loadCheckpoint('stories15m')
const engine = openEngine()
const policy = await openPolicy(engine, { config, params })
const start = Array.from({ length: Math.ceil(wanted / 40) }, () => tokenizer.encode(''))
const groups = await sampleCompletions(policy, start, { perPrompt: 48, seed: 20261124, eosIds, batch: 192 })
await engine.close()

const found = new Set()
for (const { ids, ended } of groups.flat()) {
  if (!ended || ids.length < 120) continue
  const text = tokenizer.decode([...start[0], ...ids.slice(0, Math.floor(ids.length * 0.55))])
  const end = Math.max(...['. ', '! ', '.\n', '!\n', '." ', '."\n'].map((mark) => text.lastIndexOf(mark) + mark.trimEnd().length))
  if (end > 120) found.add(text.slice(0, end))
}
for (const prompt of [...found].slice(0, wanted)) process.stdout.write(`${JSON.stringify({ prompt })}\n`)
