import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadCheckpoint, saveAdapters, saveCheckpoint } from '../dist/checkpoints/index.js'
import { freshAdapters, freshParams } from '../dist/models/index.js'
import { plot } from '../dist/runs/index.js'
import { AGREE, facts, figures, findPython, openPeers, race } from './dpo.mjs'

/** A model of 15 million parameters with the tokenizer of stories5m; a point changes what its axis says. */
const base = { hiddenSize: 288, layers: 6, heads: 6, kvHeads: 6, headDim: 48, intermediateSize: 768 }
const sized = (hiddenSize, layers, heads) => ({ hiddenSize, layers, heads, kvHeads: heads, headDim: hiddenSize / heads, intermediateSize: Math.ceil((hiddenSize * 8) / 3 / 32) * 32 }) // biome-ignore format: one line

/** Points of every axis: `quick` ones are taken with --quick. */
const axes = {
  length: [64, 256, 1024, 4096].map((length) => ({ at: length, length, batch: length > 1000 ? 2 : 4, quick: length <= 256 })),
  vocabulary: [4096, 32_000, 150_000].map((vocabSize) => ({ at: vocabSize, config: { vocabSize }, quick: vocabSize < 5000 })),
  perPrompt: [2, 4, 8].map((perPrompt) => ({ at: perPrompt, perPrompt, batch: 8, quick: perPrompt < 8 })),
  parameters: [
    { at: 1e6, config: { ...sized(96, 4, 4), vocabSize: 4096 }, quick: true },
    { at: 5e6, config: { ...sized(192, 6, 6), vocabSize: 8192 } },
    { at: 15e6, config: {} },
    { at: 60e6, config: { ...sized(512, 12, 8) } },
    { at: 135e6, config: { ...sized(768, 16, 12) }, lora: true },
    { at: 1.1e9, variable: ['INNATE_TINYLLAMA', 'INNATE_TINYLLAMA_F32'], lora: true },
  ],
}

/**
 * DPO steps on random ids beside the hand-written PyTorch loop, one thing changed at a time: the positions of a pair, the vocabulary, completions
 * of a prompt, parameters. Both take the same steps in turn; it fails where a loss is further apart than 1e-3.
 *
 * units   pairs a second, medians of the chunks; MB of the whole process at its peak
 */
export const scale = {
  about:
    'pairs a second and memory against length, vocabulary, completions of a prompt and parameters; --only AXIS, --quick, --plot FOLDER',
  flags: ['--only', '--quick', '--plot'],

  async measure(say, flags) {
    const chosen = flags.get('--only')?.split(',') ?? Object.keys(axes)
    const strange = chosen.find((name) => !Object.hasOwn(axes, name))
    if (strange !== undefined) throw new Error(`bench scale: --only must name some of ${Object.keys(axes).join(', ')}, got ${strange}`)
    const folder = mkdtempSync(join(tmpdir(), 'innate-scale-'))
    const python = findPython()
    const rows = []
    const notRun = []
    try {
      for (const axis of chosen)
        for (const point of axes[axis].filter(({ quick }) => quick || !flags.has('--quick'))) {
          const where = `${axis} ${point.at}`
          const opened = await modelOf(folder, point)
          if (opened.missing) {
            say(`${where}: ${opened.missing}`)
            notRun.push(`${where}: ${opened.missing}`)
            continue
          }
          const peers = openPeers(python, { lora: point.lora, without: ['trl'] }, () => {})
          notRun.push(...peers.notRun.filter((line) => !line.startsWith('trl')).map((line) => `${where}: ${line}`))
          const load = await loadOf(folder, point, opened)
          const measured = figures(
            await race(peers.open, load, flags.has('--quick') ? [1, 1, 2] : [1, 1, 5], (line) => say(`${where}: ${line}`)),
          )
          const { pairsPerSecond, handPairsPerSecond, vsHand, peakMemoryMB, handPeakMemoryMB, maxLossDifference } = measured
          rows.push({ axis, at: point.at, pairsPerSecond, handPairsPerSecond, vsHand, peakMemoryMB, handPeakMemoryMB, maxLossDifference })
          if (maxLossDifference === null || maxLossDifference <= AGREE) continue
          say(`bench scale: ${where}: losses must agree to ${AGREE}, got ${maxLossDifference}`)
          process.exitCode = 1
        }
      if (flags.has('--plot')) for (const axis of chosen) draw(flags.get('--plot'), axis, rows)
      return { rows, machine: facts(python), notRun }
    } finally {
      rmSync(folder, { recursive: true })
    }
  },

  table({ rows, machine, notRun }) {
    const number = (value, digits) => (value === null ? '–' : value.toFixed(digits)).padStart(9)
    return [
      `${'axis'.padEnd(12)}${'at'.padStart(12)}${'pairs/s'.padStart(9)}${'hand'.padStart(9)}${'ratio'.padStart(9)}${'MB'.padStart(9)}${'hand'.padStart(9)}`,
      ...rows.map(
        (row) =>
          `${row.axis.padEnd(12)}${String(row.at).padStart(12)}${number(row.pairsPerSecond, 2)}${number(row.handPairsPerSecond, 2)}${number(row.vsHand, 2)}${number(row.peakMemoryMB, 0)}${number(row.handPeakMemoryMB, 0)}`,
      ),
      ...notRun,
      '',
      `on ${machine.cores} × ${machine.cpu}, load ${machine.load}`,
    ].join('\n')
  },
}

/** A model of the point's form, with random parameters, as a folder that ours and the hand-written loop read. */
async function modelOf(folder, { config = {}, length = 256, variable }) {
  if (variable) {
    const [model, peers] = variable.map((name) => process.env[name])
    return model && peers
      ? { model, peers }
      : { missing: `not run here: ${variable.join(' and ')} must name a GGUF file and its f32 folder` }
  }
  const checkpoint = await loadCheckpoint('stories5m')
  const whole = { ...checkpoint.config, ...base, vocabSize: 32_000, ...config, contextLength: Math.max(512, 2 * length) }
  const made = join(folder, 'model')
  rmSync(made, { recursive: true, force: true })
  await saveCheckpoint(made, { ...checkpoint, config: whole, params: freshParams(whole, 1) })
  return { model: made, peers: made }
}

async function loadOf(folder, { length = 128, batch = 4, perPrompt = 2, lora = false }, { model, peers }) {
  const { config } = await loadCheckpoint(model)
  const pairs = join(folder, 'pairs.jsonl')
  const count = 8 * batch
  writeFileSync(pairs, randomPairs(count, { length, perPrompt, vocabSize: config.vocabSize }))
  const adapter = lora ? join(folder, 'adapter') : undefined
  if (adapter) await saveAdapters(adapter, freshAdapters(config, { rank: 8, alpha: 16, seed: 0 }), { config })
  const load = { cmd: 'load', pairs, batch, lr: 1e-5, threads: cpus().length, ...(adapter ? { adapter } : {}) }
  return { ours: { ...load, model }, peers: { ...load, model: peers } }
}

/** Half of a pair's positions are its prompt's; `perPrompt` completions of a prompt make half as many pairs. The same every time. */
function randomPairs(count, { length, perPrompt, vocabSize }) {
  let state = 1
  const below = (n) => (state = (state * 48271) % 2147483647) % n
  const ids = (n) => Array.from({ length: n }, () => 3 + below(vocabSize - 3))
  let prompt = []
  return Array.from({ length: count }, (_, i) => {
    if (i % (perPrompt / 2) === 0) prompt = ids(length / 2)
    return `${JSON.stringify({ prompt_ids: prompt, chosen_ids: ids(length / 4), rejected_ids: ids(length / 4) })}\n`
  }).join('')
}

function draw(folder, axis, rows) {
  for (const [unit, ours, hand] of [
    ['pairs/s', 'pairsPerSecond', 'handPairsPerSecond'],
    ['MB', 'peakMemoryMB', 'handPeakMemoryMB'],
  ]) {
    // biome-ignore format: one line
    const mine = rows.filter((row) => row.axis === axis)
    const points = [['Innate', ours], ['hand-written PyTorch', hand]].flatMap(([name, key]) => mine.filter((row) => row[key] !== null).map((row) => ({ name, group: { [axis]: row.at }, unit, n: 1, estimate: row[key], low: row[key], high: row[key] }))) // biome-ignore format: one line
    if (points.length === 0) continue
    const svg = plot({ about: `DPO steps against ${axis}.`, rows: points }, 'lines', { title: `${unit === 'MB' ? 'Peak memory' : 'Speed'} against ${axis}`, unit, x: axis }) // biome-ignore format: one line
    writeFileSync(join(folder, `scale-${axis}-${unit === 'MB' ? 'memory' : 'speed'}.svg`), svg)
  }
}
