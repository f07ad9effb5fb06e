import { spawnSync } from 'node:child_process'
import { cpus, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { loadCheckpoint } from '../dist/checkpoints/index.js'
import { openPeer } from './peer.mjs'

const [ROWS, LENGTH] = [4, 256]
const ROUNDS = 9
const AGREE = 1e-3

/**
 * A bare training step of stories15m, a Llama of 15.2 million parameters: forward pass, cross-entropy at every one of 4 × 256 positions, and
 * every gradient. Ours, the products of ours alone, PyTorch eager and compiled, and JAX take turns in one run; their losses must agree to 1e-3.
 *
 * units   seconds a step, medians of the rounds; share: the products alone over our step; vs…: a peer's seconds over ours; the medians of the
 *         rounds' ratios
 */
export const step = {
  about: 'a bare step, 15.2M Llama, 4 × 256: Innate beside its own products alone, PyTorch eager and compiled, and JAX',
  flags: ['--rounds'],

  async measure(say, flags) {
    const rounds = Number(flags.get('--rounds') ?? ROUNDS)
    const { folder } = await loadCheckpoint('stories15m', { onProgress: say })
    const tokens = Array.from({ length: ROWS }, (_, r) =>
      Array.from({ length: LENGTH + 1 }, (_, t) => 3 + ((t * t * 131 + r * 977 + t * 7) % 30_000)),
    )
    const path = (script) => fileURLToPath(new URL(script, import.meta.url))
    const open = { ours: openPeer(process.execPath, [path('step-ours.mjs')]) }
    const notRun = []
    for (const { name, module, script } of peers) {
      const python = (name === 'jax' && process.env.INNATE_JAX_PYTHON) || process.env.INNATE_PYTHON || 'python3'
      if (spawnSync(python, ['-c', `import ${module}`]).status === 0) open[name] = openPeer(python, [path(`peers/${script}`)])
      else
        notRun.push(
          `${name} not run here: ${python} lacks ${module}; point INNATE_PYTHON (or, for JAX, INNATE_JAX_PYTHON) at a Python that has it`,
        )
    }
    for (const [name, process] of Object.entries(open)) {
      try {
        await process.ask({ cmd: 'load', model: folder, tokens, threads: cpus().length, compile: name === 'torchCompile' })
        say(`${name} loaded`)
      } catch (error) {
        // A compiler may be missing.
        notRun.push(`${name} not run here: ${error.message.slice(-300)}`)
        delete open[name]
      }
    }
    const seconds = { raw: [], ...Object.fromEntries(Object.keys(open).map((name) => [name, []])) }
    const losses = {}
    for (let round = -1; round < rounds; round++) {
      for (const [name, process] of Object.entries(open)) {
        const { seconds: took, loss } = await process.ask({ cmd: 'step' })
        losses[name] = loss
        if (round >= 0) seconds[name].push(took)
      }
      const { rawSeconds } = await open.ours.ask({ cmd: 'raw' })
      if (round >= 0) seconds.raw.push(rawSeconds)
      if (round >= 0)
        say(
          Object.entries(seconds)
            .map(([name, all]) => `${name} ${(1000 * all.at(-1)).toFixed(0)}`)
            .join(', ')
            .concat(' ms'),
        )
    }
    const peakMemoryMB = {}
    for (const [name, process] of Object.entries(open)) {
      peakMemoryMB[name] = Math.round((await process.ask({ cmd: 'peak' })).peakMemoryMB)
      await process.close()
    }
    const over = (name) => (seconds[name] ? median(seconds[name].map((took, i) => took / seconds.ours[i])) : null)
    const maxLossDifference = Math.max(...Object.values(losses).map((loss) => Math.abs(loss - losses.ours)))
    if (maxLossDifference > AGREE) {
      say(`bench step: losses must agree to ${AGREE}, got ${JSON.stringify(losses)}`)
      process.exitCode = 1
    }
    return {
      share: over('raw'),
      vsTorchEager: over('torchEager'),
      vsTorchCompile: over('torchCompile'),
      vsJax: over('jax'),
      seconds: Object.fromEntries(Object.entries(seconds).map(([name, all]) => [name, median(all)])),
      peakMemoryMB,
      maxLossDifference,
      notRun,
      machine: { cpu: cpus()[0].model, cores: cpus().length, load: loadavg()[0].toFixed(2) },
    }
  },

  table({ share, seconds, notRun, machine, maxLossDifference }) {
    const labels = { ours: 'innate', raw: 'its products alone', torchEager: 'PyTorch eager', torchCompile: 'PyTorch compiled', jax: 'JAX' }
    return [
      ...Object.entries(seconds).map(
        ([name, took]) =>
          `${labels[name].padEnd(20)}${(1000 * took).toFixed(0).padStart(7)} ms   ${(took / seconds.ours).toFixed(2)} × innate`,
      ),
      `products are ${(100 * share).toFixed(0)} % of the step; losses differ by ${maxLossDifference.toExponential(1)} at most`,
      ...notRun,
      `on ${machine.cores} × ${machine.cpu}, load ${machine.load}`,
    ].join('\n')
  },
}

const peers = [
  { name: 'torchEager', module: 'transformers', script: 'step_torch.py' },
  { name: 'torchCompile', module: 'transformers', script: 'step_torch.py' },
  { name: 'jax', module: 'jax', script: 'step_jax.py' },
]

function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
