import { spawnSync } from 'node:child_process'
import { cpus, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { loadCheckpoint } from '../dist/checkpoints/index.js'
import { openPeer } from './peer.mjs'

/** `steps` products of Lanczos's; `norms` texts of `short` tokens, whose gradients' norms are taken. */
const SIZES = {
  full: { texts: 4, length: 256, rounds: 5, steps: 6, norms: 32, short: 64 },
  quick: { texts: 2, length: 64, rounds: 1, steps: 3, norms: 4, short: 32 },
}
const WHAT = ['gradient', 'hessian', 'gaussNewton', 'norms', 'lanczos']

/**
 * A gradient, products with the Hessian and the Gauss–Newton matrix, norms of the gradients of 32 texts and steps of Lanczos of stories15m, in
 * turn with curvlinops on PyTorch in one run.
 *
 * units   seconds, medians of the rounds; ratios are medians of the rounds' ratios, above 1 where ours is faster; memory is a fresh process's
 *         high mark
 */
export const curvature = {
  about: 'gradient, Hessian and Gauss–Newton products, norms of texts and Lanczos beside curvlinops; --quick tries it',
  flags: ['--quick'],

  async measure(say, flags) {
    const python = process.env.INNATE_PYTHON ?? 'python3'
    const has = spawnSync(python, ['-c', 'import curvlinops, transformers']).status === 0
    const notRun = has
      ? []
      : [`curvlinops not run here: ${python} lacks it; point INNATE_PYTHON at a Python that has curvlinops-for-pytorch 3.0.1`]
    const size = flags.has('--quick') ? SIZES.quick : SIZES.full
    const path = (await loadCheckpoint('stories15m', { onProgress: say })).folder
    const seconds = await race(path, size, has ? python : undefined, say)
    const figures = Object.fromEntries(
      WHAT.map((what) => {
        const { ours, peer } = seconds[what]
        return [
          what,
          {
            ours: median(ours),
            beside: median(ours.map((x, i) => x / seconds[what === 'norms' ? 'gradientOfNorms' : 'gradient'].ours[i])),
            ...(peer ? { peer: median(peer), vsPeer: median(ours.map((x, i) => peer[i] / x)) } : {}),
          },
        ]
      }),
    )
    const memory = {}
    for (const what of ['gradient', 'hessian']) {
      memory[what] = { ours: await peakOf(process.execPath, 'curvature-ours.mjs', path, size, what) }
      if (has) memory[what].peer = await peakOf(python, 'peers/curvature_curvlinops.py', path, size, what)
      say(`memory of ${what}: ${memory[what].ours.toFixed(0)} MB`)
    }
    const apart = has ? seconds.apart : undefined
    return { size, figures, memory, apart, notRun, machine: { cpu: cpus()[0].model, cores: cpus().length, load: loadavg()[0].toFixed(2) } }
  },

  table({ size, figures, memory, apart, notRun, machine }) {
    const number = (x, digits = 2) => (x === undefined ? '–' : x.toFixed(digits))
    const names = {
      gradient: `gradient, ${size.texts} texts of ${size.length}`,
      hessian: 'Hessian times a vector',
      gaussNewton: 'Gauss–Newton times a vector',
      norms: `gradient norms of ${size.norms} texts of ${size.short}`,
      lanczos: `Lanczos, ${size.steps} steps`,
    }
    return [
      `${'stories15m'.padEnd(36)}${'ours'.padStart(9)}${'peer'.padStart(11)}${'ours is'.padStart(11)}${'of a gradient'.padStart(15)}`,
      ...WHAT.map((what) => {
        const { ours, peer, vsPeer, beside } = figures[what]
        return `  ${names[what].padEnd(34)}${number(ours).padStart(7)} s${number(peer).padStart(9)} s${number(vsPeer).padStart(9)} ×${number(beside).padStart(13)} ×`
      }),
      ...Object.entries(memory).map(
        ([what, { ours, peer }]) =>
          `  ${`peak memory, ${what}`.padEnd(34)}${number(ours, 0).padStart(6)} MB${number(peer, 0).padStart(8)} MB${number(peer && peer / ours).padStart(9)} ×${number(ours / memory.gradient.ours).padStart(13)} ×`,
      ),
      ...(apart === undefined
        ? []
        : [
            `  products apart: ${Object.entries(apart)
              .map(([what, x]) => `${what} ${x.toExponential(1)}`)
              .join(', ')} of their norm`,
          ]),
      ...notRun,
      `on ${machine.cores} × ${machine.cpu}, load ${machine.load}`,
    ].join('\n')
  },
}

/** The two take each quantity in turn; a first round warms up. */
async function race(path, size, python, say) {
  const open = {
    ours: openPeer(process.execPath, [here('curvature-ours.mjs')]),
    ...(python ? { peer: openPeer(python, [here('peers/curvature_curvlinops.py')]) } : {}),
  }
  for (const one of Object.values(open)) await one.ask({ cmd: 'load', model: path, size, threads: cpus().length })
  const asked = [...WHAT, 'gradientOfNorms']
  const seconds = Object.fromEntries(asked.map((what) => [what, {}]))
  const along = {}
  for (let round = size.rounds === 1 ? 0 : -1; round < size.rounds; round++)
    for (const what of asked)
      for (const [who, one] of Object.entries(open)) {
        const answer = await one.ask({ cmd: what })
        ;(along[what] ??= {})[who] = answer.entries
        if (round >= 0) (seconds[what][who] ??= []).push(answer.seconds)
        say(`round ${round + 1} of ${size.rounds}: ${what}, ${who} ${answer.seconds.toFixed(2)} s`)
      }
  for (const one of Object.values(open)) await one.close()
  const far = (a, b) => Math.sqrt(a.reduce((sum, x, i) => sum + (x - b[i]) ** 2, 0) / b.reduce((sum, x) => sum + x * x, 0))
  const apart =
    python &&
    Object.fromEntries(['gradient', 'hessian', 'gaussNewton', 'norms'].map((what) => [what, far(along[what].ours, along[what].peer)]))
  return { ...seconds, apart }
}

async function peakOf(command, file, path, size, what) {
  const one = openPeer(command, [here(file)])
  await one.ask({ cmd: 'load', model: path, size, threads: cpus().length })
  for (let i = 0; i < 2; i++) await one.ask({ cmd: what })
  const { peakMemoryMB } = await one.ask({ cmd: 'peak' })
  await one.close()
  return peakMemoryMB
}

function here(file) {
  return fileURLToPath(new URL(file, import.meta.url))
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
