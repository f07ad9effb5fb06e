// Innate's own generation as a server: {"cmd": "load", "model", "threads"}, {"cmd": "generate", "prompts", "tokens"}, {"cmd": "peak"}.
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { openEngine } from '../dist/engine/index.js'
import { loadCheckpoint, openPolicy, sampleCompletions } from '../dist/models/index.js'

let engine
let policy
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line)
  const started = performance.now()
  let answer = {}
  if (command.cmd === 'load') {
    engine = openEngine({ threads: command.threads })
    policy = await openPolicy(engine, await loadCheckpoint(command.model))
  } else if (command.cmd === 'generate') {
    const { prompts, tokens } = command
    const said = await sampleCompletions(policy, prompts, { temperature: 0, maxTokens: tokens, seed: 0, eosIds: [], batch: prompts.length })
    answer = { ids: said[0][0].ids.slice(0, 8) }
  } else {
    const mark = process.platform === 'linux' ? readFileSync('/proc/self/status', 'utf8').match(/VmHWM:\s+(\d+)/)?.[1] : undefined
    answer = { peakMemoryMB: Number(mark ?? process.resourceUsage().maxRSS) / 1024 }
  }
  process.stdout.write(`${JSON.stringify({ seconds: (performance.now() - started) / 1000, ...answer })}\n`)
}
await engine?.close()
