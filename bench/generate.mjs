import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadCheckpoint, saveCheckpoint, saveGguf } from '../dist/checkpoints/index.js'
import { cacheFolder } from '../dist/files/index.js'
import { freshParams, readConfig } from '../dist/models/index.js'
import { saveOnnx } from '../dist/policy/index.js'
import { openPeer } from './peer.mjs'

const TOKENS = 128
const PROMPT = 16
const BATCHES = [1, 32]
const ROUNDS = 3

/**
 * Greedy generation of 128 tokens after a prompt of 16, the end token ignored, side by side for 1 and 32 sequences. Ours, transformers on
 * PyTorch (f32), transformers.js (f32, from the ONNX file that Innate writes) and llama.cpp (F16, Q8_0, Q4_0) take turns in one run; ours
 * also from weights rounded to 8 and to 4 bits. Ours has no f16: weights that are widened in every run were slower than f32 at every batch.
 *
 * units   tokens a second over all sequences, reading the prompt included: the median of the rounds; ratios: ours in f32 over each, the median
 *         of the rounds' ratios; int8VsF32 …: of two that are named; bestVsBestPeer: the fastest
 *         of ours over the fastest of the others
 */
export const generate = {
  about: 'generation: Innate beside transformers, transformers.js and llama.cpp, 1 and 32 sequences, 15 to 1,100 million parameters',
  flags: ['--only', '--quick'],

  async measure(say, flags) {
    const [tokens, rounds] = flags.has('--quick') ? [16, 1] : [TOKENS, ROUNDS]
    const only = flags.get('--only')?.split(',')
    const python = process.env.INNATE_PYTHON ?? 'python3'
    const has = (module) => spawnSync(python, ['-c', `import ${module}`]).status === 0
    const lacking = ['transformers', 'xllamacpp'].filter((module) => !has(module))
    const path = (script) => fileURLToPath(new URL(script, import.meta.url))
    const peer = (script) => openPeer(python, [path(`peers/${script}`)])
    const js = process.env.INNATE_TRANSFORMERS_JS
    const hasJs = js !== undefined && existsSync(join(js, 'node_modules', '@huggingface', 'transformers'))
    const result = {}
    for (const [name, folder] of Object.entries(await models(say, only))) {
      const open = Object.fromEntries(['ours', ...rounded].map((who) => [who, openPeer(process.execPath, [path('generate-ours.mjs')])]))
      if (!lacking.includes('transformers')) open.transformers = peer('generate_transformers.py')
      if (hasJs) open.transformersJs = openPeer(process.execPath, [path('peers/generate_transformers_js.mjs'), js])
      if (!lacking.includes('xllamacpp'))
        for (const type of ['f16', 'q8_0', 'q4_0']) open[`llamaCpp_${type}`] = peer('generate_llama_cpp.py')
      for (const [who, process] of Object.entries(open)) {
        const type = who.startsWith('llamaCpp_') ? who.slice('llamaCpp_'.length) : ''
        const { seconds } = await process.ask({ cmd: 'load', model: type ? join(folder, `${type}.gguf`) : folder, threads: cpus().length })
        say(`${name}: ${who} loaded in ${seconds.toFixed(2)} s`)
      }
      result[name] = {}
      for (const batch of BATCHES)
        result[name][`batch${batch}`] = await race(open, { batch, tokens, rounds }, (line) => say(`${name}, batch ${batch}: ${line}`))
      for (const [who, process] of Object.entries(open)) {
        result[name][`${who}PeakMemoryMB`] = Math.round((await process.ask({ cmd: 'peak' })).peakMemoryMB)
        await process.close()
      }
    }
    const notRun = [
      ...lacking.map((module) => `${module} not run here: ${python} lacks it; point INNATE_PYTHON at a Python that has it`),
      ...(hasJs ? [] : [`transformers.js not run here: point INNATE_TRANSFORMERS_JS at a folder it is installed in, got ${js ?? 'none'}`]),
    ]
    if (!only && !process.env.INNATE_TINYLLAMA_F32)
      notRun.push(
        'TinyLlama-1.1B not run here: INNATE_TINYLLAMA_F32 must name the f32 folder that innate convert writes of it, got nothing',
      )
    return { ...result, tokens, notRun, machine: { cpu: cpus()[0].model, cores: cpus().length, load: loadavg()[0].toFixed(2) } }
  },

  table({ notRun, machine, tokens, ...models }) {
    const lines = Object.entries(models).flatMap(([name, measured]) =>
      BATCHES.flatMap((batch) => {
        const { tokensPerSecond, ratios, ...pairs } = measured[`batch${batch}`]
        return [
          `${name}, ${batch} × ${tokens} tokens`,
          ...Object.entries(tokensPerSecond).map(
            ([who, rate]) =>
              `  ${who.padEnd(16)}${rate.toFixed(1).padStart(9)} tokens/s${ratios[who] ? `   ours is ${ratios[who].toFixed(2)} ×` : ''}`,
          ),
          `  ${Object.entries(pairs)
            .map(([pair, ratio]) => `${pair} ${ratio.toFixed(2)}`)
            .join(', ')}`,
        ]
      }),
    )
    return [...lines, ...notRun, `on ${machine.cores} × ${machine.cpu}, load ${machine.load}`].join('\n')
  },
}

/** Ours from rounded weights. */
const rounded = ['ours_int8', 'ours_int4']

/** Ratios that stand by name: the first over the second. */
const compared = {
  int8VsF32: ['ours_int8', 'ours'],
  int4VsF32: ['ours_int4', 'ours'],
  f32VsLlamaCppF16: ['ours', 'llamaCpp_f16'],
  int8VsLlamaCppQ8: ['ours_int8', 'llamaCpp_q8_0'],
  int4VsLlamaCppQ4: ['ours_int4', 'llamaCpp_q4_0'],
}

async function race(open, { batch, tokens, rounds }, say) {
  const prompts = Array.from({ length: batch }, (_, b) =>
    Array.from({ length: PROMPT }, (_, i) => (i === 0 ? 1 : 300 + ((37 * b + 11 * i) % 2000))),
  )
  const rates = Object.fromEntries(Object.keys(open).map((who) => [who, []]))
  for (let round = -1; round < rounds; round++) {
    for (const [who, process] of Object.entries(open)) {
      const { seconds } = await process.ask({
        cmd: 'generate',
        prompts,
        tokens: round < 0 ? 8 : tokens,
        weights: rounded.includes(who) ? who.slice(5) : 'f32',
      })
      if (round >= 0) rates[who].push((batch * tokens) / seconds)
    }
    if (round >= 0)
      say(
        Object.entries(rates)
          .map(([who, all]) => `${who} ${all.at(-1).toFixed(1)}`)
          .join(', '),
      )
  }
  const others = Object.keys(open).filter((who) => who !== 'ours' && !rounded.includes(who))
  const over = (a, b) => median(rates[a].map((rate, i) => rate / rates[b][i]))
  const fastest = (names, round) => Math.max(...names.map((who) => rates[who][round]))
  const pairs = Object.entries(compared).filter(([, pair]) => pair.every((who) => rates[who]))
  return {
    tokensPerSecond: Object.fromEntries(Object.entries(rates).map(([who, all]) => [who, median(all)])),
    ratios: Object.fromEntries(others.map((who) => [who, median(rates.ours.map((rate, i) => rate / rates[who][i]))])),
    ...Object.fromEntries(pairs.map(([name, [a, b]]) => [name, over(a, b)])),
    ...(others.length > 0
      ? { bestVsBestPeer: median(rates.ours.map((_, i) => fastest(['ours', ...rounded], i) / fastest(others, i))) }
      : {}),
  }
}

/**
 * The models in the forms that any of them reads; the larger one has SmolLM2-135M's shape and random weights, which are as fast as any. A
 * cached folder may be from before a form was raced: it gets what it lacks.
 */
async function models(say, only) {
  const small = await loadCheckpoint('stories15m', { onProgress: say })
  const large = process.env.INNATE_TINYLLAMA_F32
  const all = {
    stories15m: join(cacheFolder(), 'bench', 'stories15m'),
    smollm2Shaped135m: join(cacheFolder(), 'bench', '135m'),
    ...(large ? { tinyLlama1100m: join(cacheFolder(), 'bench', '1100m') } : {}),
  }
  const folders = Object.fromEntries(Object.entries(all).filter(([name]) => only?.includes(name) ?? true))
  if (Object.keys(folders).length === 0)
    throw new Error(`bench generate: --only must name some of ${Object.keys(all).join(', ')}, got ${only}`)
  for (const [name, folder] of Object.entries(folders)) {
    const lacking = Object.keys(forms).filter((file) => !existsSync(join(folder, file)))
    if (lacking.length === 0) continue
    say(`writing ${lacking.join(', ')} of ${name} into ${folder} …`)
    const checkpoint = name === 'stories15m' ? small : name === 'tinyLlama1100m' ? await loadCheckpoint(large) : await shaped(small, folder)
    // One ONNX file holds less than 2 GiB.
    for (const file of lacking) if (name !== 'tinyLlama1100m' || file !== 'onnx/model.onnx') await forms[file](folder, checkpoint)
  }
  return folders
}

/** What writes a model into its folder, by the file that shows it is there. */
const forms = {
  'model.safetensors': saveCheckpoint,
  'onnx/model.onnx': saveOnnx,
  'f16.gguf': (folder, checkpoint) => saveGguf(join(folder, 'f16.gguf'), checkpoint, { type: 'f16' }),
  'q8_0.gguf': (folder, checkpoint) => saveGguf(join(folder, 'q8_0.gguf'), checkpoint, { type: 'q8_0' }),
  'q4_0.gguf': (folder, checkpoint) => saveGguf(join(folder, 'q4_0.gguf'), checkpoint, { type: 'q4_0' }),
}

async function shaped(small, folder) {
  const config = readConfig('bench', {
    model_type: 'llama',
    vocab_size: small.config.vocabSize,
    hidden_size: 576,
    intermediate_size: 1536,
    num_hidden_layers: 30,
    num_attention_heads: 9,
    num_key_value_heads: 3,
    max_position_embeddings: 2048,
    rms_norm_eps: 1e-5,
    rope_theta: 100000,
    tie_word_embeddings: true,
  })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'about.txt'), 'random weights, for bench generate\n')
  return { ...small, name: '135m', config, params: freshParams(config, 1) }
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
