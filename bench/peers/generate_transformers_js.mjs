// Greedy generation by transformers.js from the ONNX file that Innate writes: load, generate, peak, as bench/generate.mjs asks. The one argument
// is the folder in which @huggingface/transformers is installed.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const installed = createRequire(join(process.argv[2], 'package.json')).resolve('@huggingface/transformers')
const { AutoModelForCausalLM, env, Tensor } = await import(pathToFileURL(installed).href)
env.allowRemoteModels = false

let model
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line)
  const started = performance.now()
  let answer = {}
  if (command.cmd === 'load') {
    env.localModelPath = dirname(command.model)
    const session_options = { intraOpNumThreads: command.threads }
    model = await AutoModelForCausalLM.from_pretrained(basename(command.model), { dtype: 'fp32', session_options })
    answer = { version: env.version }
  } else if (command.cmd === 'generate') {
    const { prompts, tokens } = command
    const shape = [prompts.length, prompts[0].length]
    const input_ids = new Tensor('int64', BigInt64Array.from(prompts.flat(), BigInt), shape)
    const attention_mask = new Tensor('int64', new BigInt64Array(prompts.flat().length).fill(1n), shape)
    const said = await model.generate({ input_ids, attention_mask, max_new_tokens: tokens, do_sample: false, eos_token_id: [] })
    if (said.dims[1] !== shape[1] + tokens) throw new Error(`${tokens} tokens expected, got ${said.dims[1] - shape[1]}`)
    answer = {
      ids: said
        .tolist()[0]
        .slice(shape[1], shape[1] + 8)
        .map(Number),
    }
  } else {
    const mark = process.platform === 'linux' ? readFileSync('/proc/self/status', 'utf8').match(/VmHWM:\s+(\d+)/)?.[1] : undefined
    answer = { peakMemoryMB: Number(mark ?? process.resourceUsage().maxRSS) / 1024 }
  }
  process.stdout.write(`${JSON.stringify({ seconds: (performance.now() - started) / 1000, ...answer })}\n`)
}
