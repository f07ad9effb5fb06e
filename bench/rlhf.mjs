import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadCheckpoint } from '../dist/checkpoints/index.js'
import { openPeer } from './peer.mjs'

const PROMPTS = 8
const GROUP = 8
const LONGEST = 96
const needs = ['torch', 'transformers', 'trl', 'datasets']

/**
 * GRPO on stories15m: a step samples 8 completions of 96 tokens at most for each of 8 prompts, scores them, and trains. Ours is `align` as a recipe runs it, files of
 * its run folder and all; beside it TRL's GRPOTrainer. Both take the same number of steps in turn, a few at a time, with the same prompts, reward and settings.
 *
 * units   samples a second: completions sampled, scored and trained on, the median of the chunks; vsTrl: the median of the chunks' ratios; memory: the process's high mark
 */
export const rlhf = {
  about: 'GRPO, 8 prompts × 8 completions × 96 tokens on stories15m: Innate beside TRL',
  flags: ['--quick'],

  async measure(say, flags) {
    const [warmUp, chunk, chunks] = flags.has('--quick') ? [1, 1, 2] : [2, 2, 6]
    const folder = mkdtempSync(join(tmpdir(), 'innate-bench-rlhf-'))
    const python = findPython()
    const { folder: model } = await loadCheckpoint('stories15m', { onProgress: say })
    const prompts = join(folder, 'prompts.jsonl')
    writeFileSync(
      prompts,
      storyPrompts()
        .map((prompt) => `${JSON.stringify({ prompt })}\n`)
        .join(''),
    )
    const load = {
      cmd: 'load',
      model,
      prompts,
      run: join(folder, 'run'),
      perStep: PROMPTS,
      group: GROUP,
      longest: LONGEST,
      lr: 3e-5,
      beta: 0.04,
      threads: Number(process.env.INNATE_THREADS ?? cpus().length),
    }
    const lacking = needs.filter((module) => !python.versions[module])
    const notRun =
      lacking.length > 0
        ? [`TRL not run here: ${python.command} lacks ${lacking.join(', ')}; point INNATE_PYTHON at a Python that has them`]
        : []
    for (const line of notRun) say(line)
    const file = (name) => fileURLToPath(new URL(name, import.meta.url))
    const open = {
      ours: openPeer(process.execPath, [file('rlhf-ours.mjs')]),
      ...(lacking.length > 0 ? {} : { trl: openPeer(python.command, [file('peers/rlhf_trl.py')]) }),
    }
    try {
      const measured = Object.fromEntries(Object.keys(open).map((name) => [name, { seconds: [], rewards: [] }]))
      const take = async (name, count) => {
        const { seconds, rewards } = await open[name].ask({ cmd: 'steps', count })
        measured[name].rewards.push(...rewards)
        return seconds / count
      }
      for (const name of Object.keys(open)) {
        say(`${name}: loading and warming up …`)
        await open[name].ask(load)
        await take(name, warmUp)
      }
      for (let i = 0; i < chunks; i++) {
        for (const name of Object.keys(open)) measured[name].seconds.push(await take(name, chunk))
        say(
          `chunk ${i + 1} of ${chunks}: ${Object.keys(open)
            .map((name) => `${name} ${measured[name].seconds.at(-1).toFixed(2)} s`)
            .join(', ')} a step`,
        )
      }
      for (const name of Object.keys(open)) measured[name].peakMemoryMB = (await open[name].ask({ cmd: 'peak' })).peakMemoryMB
      return {
        ...figures(measured),
        notRun,
        machine: { cpu: cpus()[0].model, cores: cpus().length, load: loadavg()[0].toFixed(2), ...python.versions },
      }
    } finally {
      for (const one of Object.values(open)) await one.close()
      rmSync(folder, { recursive: true })
    }
  },

  table({ ours, trl, vsTrl, memoryVsTrl, notRun, machine }) {
    const row = (name, one) =>
      `  ${name.padEnd(8)}${one.samplesPerSecond.toFixed(2).padStart(8)} samples/s${one.secondsPerStep.toFixed(2).padStart(8)} s a step${one.peakMemoryMB.toFixed(0).padStart(7)} MB   reward ${one.rewards[0].toFixed(3)} → ${one.rewards.at(-1).toFixed(3)}`
    return [
      rlhf.about,
      row('innate', ours),
      ...(trl ? [row('TRL', trl), `  ours is ${vsTrl.toFixed(2)} × TRL, with ${memoryVsTrl.toFixed(2)} × its memory`] : []),
      ...notRun,
      '',
      `on ${machine.cores} × ${machine.cpu}, load ${machine.load}`,
    ].join('\n')
  },
}

function storyPrompts() {
  const names = ['Tom', 'Lily', 'Ben', 'Mia', 'Sam', 'Anna', 'Max', 'Lucy', 'Tim', 'Sue', 'Jack', 'Amy']
  const things = ['dog', 'cat', 'ball', 'boat', 'tree', 'bird', 'car', 'hat', 'star', 'cake', 'kite', 'drum']
  return names.flatMap((name) => things.map((thing) => `${name} had a ${thing}. One day`))
}

function figures({ ours, trl }) {
  const of = ({ seconds, rewards, peakMemoryMB }) => ({
    samplesPerSecond: (PROMPTS * GROUP) / median(seconds),
    secondsPerStep: median(seconds),
    peakMemoryMB,
    rewards,
    chunks: seconds,
  })
  return {
    ours: of(ours),
    ...(trl
      ? {
          trl: of(trl),
          vsTrl: median(ours.seconds.map((one, i) => trl.seconds[i] / one)),
          memoryVsTrl: ours.peakMemoryMB / trl.peakMemoryMB,
        }
      : {}),
  }
}

/** Python with TRL: $INNATE_PYTHON or python3; with the versions of what it has. */
function findPython() {
  const command = process.env.INNATE_PYTHON ?? 'python3'
  const probe = `import importlib.metadata as m, json
def version(name):
    try: return m.version(name)
    except m.PackageNotFoundError: return None
print(json.dumps({name: version(name) for name in ${JSON.stringify(needs)}}))`
  const { status, stdout } = spawnSync(command, ['-c', probe], { encoding: 'utf8' })
  return { command, versions: status === 0 ? JSON.parse(stdout) : {} }
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
