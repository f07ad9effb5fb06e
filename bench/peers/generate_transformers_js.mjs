// Greedy generation by transformers.js, from the ONNX file that Innate writes: load, generate, peak, as bench/generate.mjs asks. Its argument is
// the folder that @huggingface/transformers is installed in.
import { createRequire } from 'node:module'
import { basename, dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { serve } from '../serve.mjs'

const { resolve: installed } = createRequire(join(resolve(process.argv[2]), 'package.json'))
const { AutoModelForCausalLM, env, Tensor } = await import(pathToFileURL(installed('@huggingface/transformers')).href)
env.allowRemoteModels = false

let model
await serve({
  async load({ model: folder, threads }) {
    env.localModelPath = dirname(folder)
    const session_options = { intraOpNumThreads: threads }
    model = await AutoModelForCausalLM.from_pretrained(basename(folder), { dtype: 'fp32', session_options })
    return { version: env.version }
  },
  async generate({ prompts, tokens }) {
    const flat = BigInt64Array.from(prompts.flat(), BigInt)
    const shape = [prompts.length, prompts[0].length]
    const said = await model.generate({
      input_ids: new Tensor('int64', flat, shape),
      attention_mask: new Tensor('int64', flat.map(() => 1n), shape), // biome-ignore format: one line
      max_new_tokens: tokens,
      do_sample: false,
      eos_token_id: [],
    })
    const [first] = said.tolist()
    if (first.length !== shape[1] + tokens) throw new Error(`${tokens} tokens expected, got ${first.length - shape[1]}`)
    return { ids: first.slice(shape[1], shape[1] + 8).map(Number) }
  },
})
