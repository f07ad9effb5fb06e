// Innate's own training loop as a server, in the protocol of bench/peers/protocol.py. `load` takes fields more: `steps`, how many
// will be asked for in all, `adapter` (a PEFT folder that is trained in the place of the weights), and `profile`, a folder for ONNX Runtime's profiles; then `profile` ends it and gives milliseconds by op type.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { loadAdapters, loadCheckpoint } from '../dist/checkpoints/index.js'
import { openEngine } from '../dist/engine/index.js'
import { dpo } from '../dist/objectives/index.js'
import { openPolicy, scoreTrees } from '../dist/policy/index.js'
import { loadPairs, pairTree } from '../dist/preferences/index.js'
import { adamw, train } from '../dist/train/index.js'
import { peakMemoryMB } from './serve.mjs'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const options = await next()
const { threads = 2, batch = 8, lr = 1e-5, beta = 0.1, clip = 1, steps } = options
const plain = openEngine({ threads })
const programs = []
const engine = options.profile ? { ...plain, compile: profiled } : plain
const { policy, examples } = await load()
answer({ ready: true, pairs: examples.length })

let until = 0
let losses = []
let started = 0
await train({
  policy,
  objective: dpo({ beta }),
  examples,
  optimizer: adamw({ lr }),
  schedule: { name: 'constant', warmup: 0 },
  clip,
  batch,
  epochs: Math.ceil((steps * batch) / examples.length),
  seed: 0,
  shuffle: false,
  maxSteps: steps,
  referenceOf: (trees) => scoreTrees(policy, trees),
  onStart: wait,
  async onStep({ step, loss }) {
    losses.push(loss)
    if (step < until) return
    answer({ seconds: (performance.now() - started) / 1000, losses, pairs: losses.length * batch })
    await wait()
  },
})
await next()
await plain.close()

async function load() {
  const checkpoint = await loadCheckpoint(options.model)
  const { examples: pairs } = await loadPairs(options.pairs, checkpoint)
  const adapters = options.adapter ? await loadAdapters(options.adapter, checkpoint.config) : undefined
  const policy = await openPolicy(engine, checkpoint, adapters, { streamed: options.model.endsWith('.gguf') })
  const trees = pairs.map(pairTree)
  const reference = await scoreTrees(policy, trees)
  await policy.rest()
  return { policy, examples: trees.map((tree, i) => ({ tree, reference: reference.slice(2 * i, 2 * i + 2), label: 1 })) }
}

/** Answers commands until some steps are asked for. */
async function wait() {
  const command = await next()
  if (!command) process.exit(0)
  losses = []
  until = command.from + command.count
  started = performance.now()
}

async function next() {
  for (;;) {
    const { value, done } = await lines.next()
    if (done) return undefined
    const command = JSON.parse(value)
    if (command.cmd === 'peak') answer({ peakMemoryMB: peakMemoryMB() })
    else if (command.cmd === 'profile') answer(await byOp())
    else return command
  }
}

function answer(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

/** Compiles with a profile: one file for the step's programs, whatever their sizes, and others for the rest. */
async function profiled(graph) {
  const program = await plain.compile(graph, { profile: join(options.profile, 'loss' in graph.outputs ? 'step' : 'other') })
  programs.push(program)
  return { ...program, close: async () => {} }
}

/** Milliseconds a step inside the kernels of each op type, and of the whole run of its programs. */
async function byOp() {
  const total = new Map()
  const add = (name, ms) => total.set(name, (total.get(name) ?? 0) + ms)
  for (const program of programs) await program.close()
  for (const file of readdirSync(options.profile).filter((name) => name.startsWith('step_'))) {
    for (const { cat, name, dur, args } of JSON.parse(readFileSync(join(options.profile, file), 'utf8'))) {
      if (cat === 'Node' && name.endsWith('_kernel_time')) add(args.op_name, dur / 1000)
      if (cat === 'Session' && name === 'model_run') add('run', dur / 1000)
    }
  }
  const perStep = [...total].map(([name, ms]) => [name, ms / until]).sort((a, b) => b[1] - a[1])
  return Object.fromEntries(perStep.map(([name, ms]) => [name, Math.round(ms * 100) / 100]))
}
