// Innate's own generation as a server: {"cmd": "load", "model", "threads"}, {"cmd": "generate", "prompts", "tokens", "weights"}, {"cmd": "peak"}.

import { loadCheckpoint } from '../dist/checkpoints/index.js'
import { openEngine } from '../dist/engine/index.js'
import { openPolicy, sampleCompletions } from '../dist/policy/index.js'
import { serve } from './serve.mjs'

let engine
let policy
await serve({
  async load({ model, threads }) {
    engine = openEngine({ threads })
    policy = await openPolicy(engine, await loadCheckpoint(model), undefined, { fixed: true })
  },
  async generate({ prompts, tokens, weights }) {
    const said = await sampleCompletions(policy, prompts, {
      temperature: 0,
      maxTokens: tokens,
      seed: 0,
      eosIds: [],
      batch: prompts.length,
      weights,
    })
    return { ids: said[0][0].ids.slice(0, 8) }
  },
})
await engine?.close()
