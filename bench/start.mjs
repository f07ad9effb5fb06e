import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROUNDS = 7

/**
 * How long one waits: for the program's help, for the help of one verb, for the first text of a model that is in the box, and for the first
 * story of `npm start`, from typing. Each is begun anew in every round, in turn.
 *
 * units   seconds, medians of the rounds; nodeSeconds is Node itself, doing nothing
 */
export const start = {
  about: 'the start: seconds until the program, a verb, a first text and the first story of npm start are there',
  flags: ['--rounds'],

  async measure(say, flags) {
    const rounds = Number(flags.get('--rounds') ?? ROUNDS)
    const folder = mkdtempSync(join(tmpdir(), 'innate-start-'))
    const times = Object.fromEntries(Object.keys(starts).map((name) => [name, []]))
    try {
      for (let round = 0; round < rounds; round++) {
        for (const [name, { words, shows }] of Object.entries(starts))
          times[name].push(await secondsUntil(words(join(folder, `${round}`)), shows))
        say(
          Object.entries(times)
            .map(([name, all]) => `${name} ${all.at(-1).toFixed(2)}`)
            .join(', '),
        )
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
    const medians = Object.fromEntries(Object.entries(times).map(([name, all]) => [name, Math.round(1000 * median(all)) / 1000]))
    return { ...medians, rounds, machine: { cpu: cpus()[0].model, cores: cpus().length, load: loadavg()[0].toFixed(2) } }
  },

  table: ({ rounds, machine, ...medians }) =>
    [
      ...Object.entries(medians).map(([name, seconds]) => `${starts[name].about.padEnd(44)}${seconds.toFixed(2).padStart(6)} s`),
      `medians of ${rounds} rounds, on ${machine.cores} × ${machine.cpu}, load ${machine.load}`,
    ].join('\n'),
}

const home = fileURLToPath(new URL('..', import.meta.url))
const main = join(home, 'dist', 'cli', 'main.js')

const starts = {
  nodeSeconds: { about: 'node, doing nothing', words: () => ['-e', ''] },
  helpSeconds: { about: 'innate --help', words: () => [main, '--help'] },
  verbSeconds: { about: 'innate sample --help', words: () => [main, 'sample', '--help'] },
  firstTextSeconds: {
    about: 'innate complete: the first text of stories5m',
    words: () => [main, 'complete', 'stories5m', 'Once upon a time', '--max-tokens', '8'],
    shows: /./s,
  },
  firstStorySeconds: {
    about: 'npm start: the first story',
    words: (run) => [join(home, 'scripts', 'run.mjs'), 'start', '--run', run],
    shows: /the first completion/,
  },
}

/** Seconds until a program ends, or until it writes what is waited for, and is ended then. */
function secondsUntil(words, shows) {
  return new Promise((resolve, reject) => {
    const began = performance.now()
    const child = spawn(process.execPath, words, { cwd: home, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    let said = ''
    let seconds
    const hear = (text) => {
      said += text
      if (!shows || seconds !== undefined || !shows.test(said)) return
      seconds = (performance.now() - began) / 1000
      // Whoever it started is of its group.
      process.kill(-child.pid, 'SIGKILL')
    }
    child.stdout.on('data', hear)
    // What a model says goes to stdout, what happens to stderr.
    if (!shows || words.includes('start')) child.stderr.on('data', hear)
    else child.stderr.resume()
    child.on('close', (code) => {
      if (seconds === undefined && (shows || code !== 0))
        reject(new Error(`bench start: ${words.join(' ')} must show ${shows ?? 'its end'}, got exit ${code} after: ${said.slice(-500)}`))
      else resolve(seconds ?? (performance.now() - began) / 1000)
    })
  })
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
