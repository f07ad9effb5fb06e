// Merging two model folders, beside mergekit: in turns, so that whatever else the machine does meets both alike.
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const python = process.env.INNATE_PYTHON ?? 'python3'
const rounds = 3
const methods = {
  linear: () => ({ parameters: { weight: 0.5 } }),
  slerp: (base) => ({ base_model: base, parameters: { t: 0.3 } }),
  ties: (base) => ({ base_model: base, parameters: { weight: 1, density: 0.5 } }),
}

export const merge = {
  about: 'merging two folders, --models=A,B, beside mergekit',
  flags: ['--models'],

  async measure(say, flags) {
    const models = (flags.get('--models') ?? '')
      .split(',')
      .filter(Boolean)
      .map((path) => resolve(path))
    if (models.length !== 2) throw new Error('bench merge: --models=A,B must name two folders of one shape')
    const folder = await mkdtemp(join(tmpdir(), 'bench-merge-'))
    const rows = []
    try {
      for (const [method, more] of Object.entries(methods)) {
        const file = join(folder, `${method}.yml`)
        // JSON is YAML.
        await writeFile(file, JSON.stringify({ merge_method: method, models: models.map((model) => ({ model })), ...more(models[0]) }))
        const times = { innate: [], mergekit: [] }
        for (let round = 0; round < rounds; round++)
          for (const [who, words] of Object.entries(commands(file, join(folder, 'out')))) {
            await rm(join(folder, 'out'), { recursive: true, force: true })
            const told = await run(words)
            times[who].push(told)
            say(`${method}, ${who}: ${told.seconds.toFixed(2)} s, whole command ${told.command.toFixed(2)} s, ${told.megabytes} MB`)
          }
        rows.push({ method, ...Object.fromEntries(Object.entries(times).map(([who, all]) => [who, best(all)])) })
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
    return { models, rounds, rows }
  },

  table: ({ rows }) =>
    rows
      .map(({ method, innate, mergekit }) => {
        const times = (key) =>
          `${innate[key].toFixed(2)} s against ${mergekit[key].toFixed(2)} s, ${(mergekit[key] / innate[key]).toFixed(2)} ×`
        return `${method.padEnd(8)}${times('seconds')}; whole command ${times('command')}; ${innate.megabytes} MB against ${mergekit.megabytes} MB`
      })
      .join('\n'),
}

function best(all) {
  const least = (key) => Math.min(...all.map((one) => one[key]))
  return { seconds: least('seconds'), command: least('command'), megabytes: least('megabytes') }
}

function commands(file, out) {
  const code = 'import resource,sys,time,json,yaml; from mergekit.config import MergeConfiguration as C; from mergekit.merge import run_merge; from mergekit.options import MergeOptions as O; s=time.perf_counter(); run_merge(C.model_validate(yaml.safe_load(open(sys.argv[1]))), sys.argv[2], O(quiet=True)); print(json.dumps(dict(seconds=time.perf_counter()-s, megabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss//1024)))' // biome-ignore format: one program
  return {
    innate: [process.execPath, join(import.meta.dirname, 'merge-ours.mjs'), file, out],
    mergekit: [python, '-c', code, file, out],
  }
}

/** Runs a command that prints one JSON object, and says how long all of it took. */
function run([command, ...words]) {
  const start = performance.now()
  return new Promise((done, fail) => {
    const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'] })
    let [out, complaint] = ['', '']
    child.stdout.on('data', (text) => (out += text))
    child.stderr.on('data', (text) => (complaint = (complaint + text).slice(-2000)))
    child.on('error', fail)
    child.on('close', (code) => {
      if (code !== 0) return fail(new Error(`${command}: exit ${code}; it said: ${complaint}`))
      done({ ...JSON.parse(out.trim().split('\n').at(-1)), command: (performance.now() - start) / 1000 })
    })
  })
}
