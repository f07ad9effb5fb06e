import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus, loadavg, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadCheckpoint, saveAdapters, saveCheckpoint } from '../dist/checkpoints/index.js'
import { cacheFolder } from '../dist/files/index.js'
import { freshAdapters, freshParams } from '../dist/models/index.js'
import { readRows, tokenise } from '../dist/preferences/index.js'
import { openPeer } from './peer.mjs'

const LONGEST = 256
export const AGREE = 1e-3

/**
 * What is raced: which model, whether all of it or an adapter is trained, and in how many steps. A model that is no name is looked for where
 * an environment variable says; `peers` is the folder that the peers read in its place.
 */
const settings = {
  stories15m: { about: 'stories15m, all parameters', open: byName, batch: 8, lr: 1e-5, steps: [4, 4, 4] },
  'stories15m-lora': { about: 'stories15m, LoRA of rank 8', open: byName, lora: true, batch: 8, lr: 1e-4, steps: [4, 4, 4] },
  'smollm2-135m-lora': {
    about: 'SmolLM2-135M-Instruct, LoRA of rank 8',
    open: () => byVariable('INNATE_SMOLLM2', 'the f32 folder that innate convert writes of it'),
    lora: true,
    batch: 4,
    lr: 1e-4,
    steps: [2, 2, 4],
  },
  'stories15m-150k': {
    about: 'stories15m with a vocabulary of 150,000, all parameters',
    open: widened,
    batch: 8,
    lr: 1e-5,
    steps: [2, 2, 4],
  },
  'tinyllama-1.1b-lora': {
    about: 'TinyLlama-1.1B, LoRA of rank 8 on its quantised base; the peers read it in f32',
    open: () => byVariable('INNATE_TINYLLAMA', 'its GGUF file', 'INNATE_TINYLLAMA_F32', 'the f32 folder that innate convert writes of it'),
    lora: true,
    batch: 4,
    lr: 1e-4,
    steps: [1, 1, 3],
    without: ['trl'],
  },
}

/**
 * DPO on pairs of hh-harmless of at most 256 tokens, the reference precomputed and not timed: for each setting ours, TRL and a hand-written
 * PyTorch loop take the same steps in turn, a few at a time. It fails where the losses of ours and of the hand-written loop are further apart
 * than 1e-3.
 *
 * units   pairs a second: the median of the chunks; vsTrl, vsHand: the median of the chunks' ratios; memory: the process's high mark
 */
export const dpo = {
  about: 'DPO, full and LoRA, 15M to 1.1B: Innate beside TRL and a hand-written PyTorch loop',
  flags: ['--only', '--quick'],

  async measure(say, flags) {
    const chosen = flags.get('--only')?.split(',') ?? Object.keys(settings)
    const strange = chosen.find((name) => !Object.hasOwn(settings, name))
    if (strange !== undefined) throw new Error(`bench dpo: --only must name some of ${Object.keys(settings).join(', ')}, got ${strange}`)
    const folder = mkdtempSync(join(tmpdir(), 'innate-bench-'))
    const python = findPython()
    const result = { settings: {}, machine: facts(python), notRun: [] }
    try {
      for (const name of chosen) {
        const setting = { ...settings[name], ...(flags.has('--quick') ? { steps: [1, 1, 2] } : {}) }
        const opened = await setting.open(say)
        if (opened.missing) {
          say(`${name}: ${opened.missing}`)
          result.notRun.push(`${name}: ${opened.missing}`)
          continue
        }
        const load = await loadOf(folder, setting, opened)
        const { open, notRun } = openPeers(python, setting, (line) => say(`${name}: ${line}`))
        result.notRun.push(...notRun.map((line) => `${name}: ${line}`))
        const measured = await race(open, load, setting.steps, (line) => say(`${name}: ${line}`))
        result.settings[name] = figures(measured)
        if (name === 'stories15m' && !flags.has('--quick')) {
          say('where the time goes …')
          result.byOp = await profile(load.ours, folder)
        }
      }
      for (const [name, { maxLossDifference }] of Object.entries(result.settings)) {
        if (maxLossDifference === null || maxLossDifference <= AGREE) continue
        say(`bench dpo: ${name}: losses must agree to ${AGREE}, got ${maxLossDifference}`)
        process.exitCode = 1
      }
      return result
    } finally {
      rmSync(folder, { recursive: true })
    }
  },

  table({ settings: measured, byOp, machine, notRun }) {
    const number = (value, digits) => (value === null ? '–' : value.toFixed(digits))
    const row = (name, rate, ratio, memory) =>
      `  ${name.padEnd(22)}${number(rate, 2).padStart(8)} pairs/s ${number(memory, 0).padStart(7)} MB${ratio === undefined ? '' : `   ours is ${number(ratio, 2)} ×`}`
    return [
      ...Object.entries(measured).flatMap(([name, result]) => [
        settings[name].about,
        row('innate', result.pairsPerSecond, undefined, result.peakMemoryMB),
        row('hand-written PyTorch', result.handPairsPerSecond, result.vsHand, result.handPeakMemoryMB),
        row('TRL', result.trlPairsPerSecond, result.vsTrl, result.trlPeakMemoryMB),
        `  largest difference of a step's loss from the hand-written loop's: ${result.maxLossDifference?.toExponential(1) ?? '–'}`,
        '',
      ]),
      ...notRun,
      ...(byOp ? [`one step of stories15m by op type, of ${byOp.run.toFixed(0)} ms in ONNX Runtime:`] : []),
      ...Object.entries(byOp ?? {}).flatMap(([name, ms]) =>
        name !== 'run' && ms > byOp.run / 200 ? [`  ${name.padEnd(30)}${ms.toFixed(1).padStart(8)} ms`] : [],
      ),
      '',
      `on ${machine.cores} × ${machine.cpu}, load ${machine.load}`,
    ].join('\n')
  },
}

async function byName(say) {
  const { folder } = await loadCheckpoint('stories15m', { onProgress: say })
  return { model: folder, peers: folder }
}

function byVariable(variable, about, peersVariable = variable, peersAbout = about) {
  const [model, peers] = [process.env[variable], process.env[peersVariable]]
  if (model === undefined || !existsSync(model))
    return { missing: `not run here: ${variable} must name ${about}, got ${model ?? 'nothing'}` }
  if (peers === undefined || !existsSync(peers))
    return { missing: `not run here: ${peersVariable} must name ${peersAbout}, got ${peers ?? 'nothing'}` }
  return { model, peers }
}

/** stories15m with 150,000 tokens, the rows that it has not being random: written once into the cache. */
async function widened(say) {
  const folder = join(cacheFolder(), 'bench', 'stories15m-150k')
  if (existsSync(join(folder, 'model.safetensors'))) return { model: folder, peers: folder }
  say(`writing stories15m with a vocabulary of 150,000 into ${folder} …`)
  const checkpoint = await loadCheckpoint('stories15m', { onProgress: say })
  const config = { ...checkpoint.config, vocabSize: 150_000 }
  const embed = freshParams(config, 1).embed
  embed.data.set(checkpoint.params.embed.data)
  await saveCheckpoint(folder, { ...checkpoint, config, params: { ...checkpoint.params, embed } })
  return { model: folder, peers: folder }
}

/** What ours and the peers load: the model, its pairs tokenised once for all, and the adapter that both begin with. */
async function loadOf(folder, { lora, batch, lr, steps: [warmUp, chunk, chunks] }, { model, peers }) {
  const checkpoint = await loadCheckpoint(model)
  const count = Math.min(128, (warmUp + chunk * chunks) * batch)
  const pairs = await writePairs(folder, checkpoint, count)
  const adapter = lora ? join(folder, 'adapter') : undefined
  if (lora) {
    rmSync(adapter, { recursive: true, force: true })
    await saveAdapters(adapter, freshAdapters(checkpoint.config, { rank: 8, alpha: 16, seed: 0 }), { config: checkpoint.config })
  }
  const load = { cmd: 'load', pairs, batch, lr, threads: cpus().length, ...(adapter ? { adapter } : {}) }
  return { ours: { ...load, model, count }, peers: { ...load, model: peers } }
}

/** The first usable pairs of the file. */
async function writePairs(folder, checkpoint, count) {
  const source = fileURLToPath(new URL('../../shared/data/hh-harmless.pairs.jsonl.gz', import.meta.url))
  const found = [process.env.INNATE_PAIRS, source].find((file) => file !== undefined && existsSync(file))
  if (!found)
    throw new Error(
      `bench dpo: the pairs must lie in ../shared/data/hh-harmless.pairs.jsonl.gz or where INNATE_PAIRS says, got no such file`,
    )
  const pairs = []
  for await (const read of readRows(found)) {
    const { example } = 'row' in read ? tokenise(read.row, pairs.length, checkpoint, { maxLength: LONGEST }) : {}
    if (example) pairs.push({ prompt_ids: example.prompt, chosen_ids: example.chosen, rejected_ids: example.rejected })
    if (pairs.length === count) break
  }
  const file = join(folder, 'pairs.jsonl')
  writeFileSync(file, pairs.map((pair) => `${JSON.stringify(pair)}\n`).join(''))
  return file
}

/** Python with PyTorch: $INNATE_PYTHON or python3; with the versions of what it has. */
export function findPython() {
  const command = process.env.INNATE_PYTHON ?? 'python3'
  const probe = `import importlib.metadata as m, json
def version(name):
    try: return m.version(name)
    except m.PackageNotFoundError: return None
print(json.dumps({name: version(name) for name in ("torch", "transformers", "trl", "datasets", "peft")}))`
  const { status, stdout } = spawnSync(command, ['-c', probe], { encoding: 'utf8' })
  return { command, versions: status === 0 ? JSON.parse(stdout) : {} }
}

const peers = [
  { name: 'hand', needs: ['torch', 'transformers'], script: 'dpo_hand.py' },
  { name: 'trl', needs: ['torch', 'transformers', 'trl', 'datasets'], script: 'dpo_trl.py' },
]

/** Ours and the peers that this Python has what it takes for. */
export function openPeers(python, { lora, without = [] }, say) {
  const open = { ours: openOurs() }
  const notRun = []
  for (const { name, needs, script } of peers) {
    const lacking = [...needs, ...(lora ? ['peft'] : [])].filter((module) => !python.versions[module])
    if (without.includes(name)) notRun.push(`${name} not run: a step of it takes minutes`)
    else if (lacking.length > 0)
      notRun.push(`${name} not run here: ${python.command} lacks ${lacking.join(', ')}; point INNATE_PYTHON at a Python that has them`)
    else open[name] = openPeer(python.command, [fileURLToPath(new URL(`peers/${script}`, import.meta.url))])
  }
  for (const line of notRun) say(line)
  return { open, notRun }
}

function openOurs() {
  return openPeer(process.execPath, [fileURLToPath(new URL('dpo-ours.mjs', import.meta.url))])
}

/** Lets the processes take the same steps in turn, one at a time. */
export async function race(open, load, [warmUp, chunk, chunks], say) {
  const names = Object.keys(open)
  const measured = Object.fromEntries(names.map((name) => [name, { rates: [], losses: [], peakMemoryMB: 0 }]))
  const take = async (name, from, count) => {
    const { seconds, losses, pairs } = await open[name].ask({ cmd: 'steps', from, count })
    measured[name].losses.push(...losses)
    return pairs / seconds
  }
  for (const name of names) {
    say(`${name}: loading and warming up …`)
    await open[name].ask(name === 'ours' ? { ...load.ours, steps: warmUp + chunk * chunks } : load.peers)
    await take(name, 0, warmUp)
  }
  for (let i = 0; i < chunks; i++) {
    for (const name of names) measured[name].rates.push(await take(name, warmUp + i * chunk, chunk))
    say(`chunk ${i + 1} of ${chunks}: ${names.map((name) => `${name} ${measured[name].rates.at(-1).toFixed(2)}`).join(', ')} pairs/s`)
  }
  for (const name of names) {
    measured[name].peakMemoryMB = (await open[name].ask({ cmd: 'peak' })).peakMemoryMB
    await open[name].close()
  }
  return measured
}

export function figures({ ours, hand, trl }) {
  const against = (peer) => (peer ? median(ours.rates.map((rate, i) => rate / peer.rates[i])) : null)
  const rate = (one) => (one ? median(one.rates) : null)
  return {
    pairsPerSecond: rate(ours),
    trlPairsPerSecond: rate(trl),
    handPairsPerSecond: rate(hand),
    vsTrl: against(trl),
    vsHand: against(hand),
    peakMemoryMB: ours.peakMemoryMB,
    trlPeakMemoryMB: trl?.peakMemoryMB ?? null,
    handPeakMemoryMB: hand?.peakMemoryMB ?? null,
    maxLossDifference: hand ? Math.max(...ours.losses.map((loss, i) => Math.abs(loss - hand.losses[i]))) : null,
    chunks: Object.fromEntries(Object.entries({ ours, hand, trl }).map(([name, one]) => [name, one?.rates ?? null])),
  }
}

/** A run of its own, since profiling costs time: milliseconds a step by op type. */
async function profile(load, folder) {
  const ours = openOurs()
  await ours.ask({ ...load, steps: load.count / load.batch, profile: folder })
  await ours.ask({ cmd: 'steps', from: 0, count: load.count / load.batch })
  const byOp = await ours.ask({ cmd: 'profile' })
  await ours.close()
  return byOp
}

export function facts({ versions }) {
  return {
    cpu: cpus()[0].model,
    cores: cpus().length,
    memoryGB: Math.round(totalmem() / 2 ** 30),
    load: loadavg()[0].toFixed(2),
    node: process.versions.node,
    onnxruntime: createRequire(import.meta.url)('onnxruntime-node/package.json').version,
    ...versions,
  }
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
