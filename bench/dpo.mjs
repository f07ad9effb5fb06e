import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus, loadavg, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadCheckpoint } from '../dist/checkpoints/index.js'
import { readRows, tokenise } from '../dist/preferences/index.js'
import { openPeer } from './peer.mjs'

const PAIRS = 128
const LONGEST = 256
const BATCH = 8
const WARM_UP = 4
const CHUNK = 4
const CHUNKS = 4

/**
 * DPO on stories15m, every parameter trained: 8 pairs a step of 128 hh-harmless pairs of at most 256 tokens, the reference precomputed
 * and not timed. Ours, TRL and a hand-written PyTorch loop take the same steps in turn, a few at a time.
 *
 * units   pairs a second: the median of the chunks; vsTrl, vsHand: the median of the chunks' ratios; memory: the process's high mark
 */
export const dpo = {
  about: 'DPO on stories15m, full: Innate beside TRL and a hand-written PyTorch loop',

  async measure(say) {
    const folder = mkdtempSync(join(tmpdir(), 'innate-bench-'))
    try {
      const checkpoint = await loadCheckpoint('stories15m', { onProgress: say })
      const load = { cmd: 'load', model: checkpoint.folder, pairs: await writePairs(folder, checkpoint), batch: BATCH }
      const python = findPython()
      const measured = await race(await openPeers(python, say), load, say)
      say('where the time goes …')
      return {
        ...figures(measured, python),
        byOp: await profile(load, folder),
        machine: facts(python),
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  },

  table({ byOp, machine, notRun, ...result }) {
    const number = (value, digits) => (value === null ? '–' : value.toFixed(digits))
    const row = (name, rate, ratio, memory) =>
      `${name.padEnd(22)}${number(rate, 2).padStart(8)} pairs/s ${number(memory, 0).padStart(7)} MB${ratio === undefined ? '' : `   ours is ${number(ratio, 2)} ×`}`
    const run = byOp.run
    return [
      row('innate', result.pairsPerSecond, undefined, result.peakMemoryMB),
      row('hand-written PyTorch', result.handPairsPerSecond, result.vsHand, result.handPeakMemoryMB),
      row('TRL', result.trlPairsPerSecond, result.vsTrl, result.trlPeakMemoryMB),
      ...notRun,
      `largest difference of a step's loss from the hand-written loop's: ${result.maxLossDifference?.toExponential(1) ?? '–'}`,
      '',
      `one step by op type, of ${run.toFixed(0)} ms in ONNX Runtime:`,
      ...Object.entries(byOp).flatMap(([name, ms]) =>
        name !== 'run' && ms > run / 200 ? [`  ${name.padEnd(30)}${ms.toFixed(1).padStart(8)} ms`] : [],
      ),
      '',
      `on ${machine.cores} × ${machine.cpu}, load ${machine.load}`,
    ].join('\n')
  },
}

/** The first usable pairs of the file, tokenised once for all. */
async function writePairs(folder, checkpoint) {
  const source = fileURLToPath(new URL('../../shared/data/hh-harmless.pairs.jsonl.gz', import.meta.url))
  if (!existsSync(source)) throw new Error(`bench dpo: the pairs must lie in ../shared/data/hh-harmless.pairs.jsonl.gz, got no such file`)
  const pairs = []
  for await (const read of readRows(source)) {
    const { example } = 'row' in read ? tokenise(read.row, pairs.length, checkpoint, { maxLength: LONGEST }) : {}
    if (example) pairs.push({ prompt_ids: example.prompt, chosen_ids: example.chosen, rejected_ids: example.rejected })
    if (pairs.length === PAIRS) break
  }
  const file = join(folder, 'pairs.jsonl')
  writeFileSync(file, pairs.map((pair) => `${JSON.stringify(pair)}\n`).join(''))
  return file
}

/** Python with PyTorch: $INNATE_PYTHON or python3; with the versions of what it has. */
function findPython() {
  const command = process.env.INNATE_PYTHON ?? 'python3'
  const probe = `import importlib.metadata as m, json
def version(name):
    try: return m.version(name)
    except m.PackageNotFoundError: return None
print(json.dumps({name: version(name) for name in ("torch", "transformers", "trl", "datasets")}))`
  const { status, stdout } = spawnSync(command, ['-c', probe], { encoding: 'utf8' })
  return { command, versions: status === 0 ? JSON.parse(stdout) : {} }
}

const peers = [
  { name: 'hand', needs: ['torch', 'transformers'], script: 'dpo_hand.py' },
  { name: 'trl', needs: ['torch', 'transformers', 'trl', 'datasets'], script: 'dpo_trl.py' },
]

function missing({ needs }, { versions }) {
  return needs.filter((name) => !versions[name])
}

function openPeers(python, say) {
  const open = { ours: openOurs() }
  for (const peer of peers) {
    const lacking = missing(peer, python)
    if (lacking.length > 0) say(notRun(peer, python))
    else open[peer.name] = openPeer(python.command, [fileURLToPath(new URL(`peers/${peer.script}`, import.meta.url))])
  }
  return open
}

function notRun(peer, python) {
  return `${peer.name} not run here: ${python.command} lacks ${missing(peer, python).join(', ')}; point INNATE_PYTHON at a Python that has them`
}

function openOurs() {
  return openPeer(process.execPath, [fileURLToPath(new URL('dpo-ours.mjs', import.meta.url))])
}

/** Lets the processes take the same steps in turn, one at a time. */
async function race(open, load, say) {
  const names = Object.keys(open)
  const measured = Object.fromEntries(names.map((name) => [name, { rates: [], losses: [], peakMemoryMB: 0 }]))
  const take = async (name, from, count) => {
    const { seconds, losses, pairs } = await open[name].ask({ cmd: 'steps', from, count })
    measured[name].losses.push(...losses)
    return pairs / seconds
  }
  for (const name of names) {
    say(`${name}: loading and warming up …`)
    await open[name].ask({ ...load, steps: WARM_UP + CHUNK * CHUNKS })
    await take(name, 0, WARM_UP)
  }
  for (let chunk = 0; chunk < CHUNKS; chunk++) {
    for (const name of names) measured[name].rates.push(await take(name, WARM_UP + chunk * CHUNK, CHUNK))
    say(`chunk ${chunk + 1} of ${CHUNKS}: ${names.map((name) => `${name} ${measured[name].rates.at(-1).toFixed(2)}`).join(', ')} pairs/s`)
  }
  for (const name of names) {
    measured[name].peakMemoryMB = (await open[name].ask({ cmd: 'peak' })).peakMemoryMB
    await open[name].close()
  }
  return measured
}

function figures({ ours, hand, trl }, python) {
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
    notRun: peers.flatMap((peer) => (missing(peer, python).length > 0 ? [notRun(peer, python)] : [])),
  }
}

/** A run of its own, since profiling costs time: milliseconds a step by op type. */
async function profile(load, folder) {
  const ours = openOurs()
  await ours.ask({ ...load, steps: PAIRS / BATCH, profile: folder })
  await ours.ask({ cmd: 'steps', from: 0, count: PAIRS / BATCH })
  const byOp = await ours.ask({ cmd: 'profile' })
  await ours.close()
  return byOp
}

function facts({ versions }) {
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
