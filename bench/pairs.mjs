import { spawn } from 'node:child_process'
import { createReadStream, existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createGunzip } from 'node:zlib'
import { cacheFolder } from '../dist/files/index.js'
import { plot } from '../dist/runs/index.js'
import { openPeer } from './peer.mjs'

const source = '../shared/data/hh-harmless.pairs.jsonl.gz'

/**
 * `pairs check` of many pairs beside the bare tokenizer on the same texts, in turn, with both cores: pairs a second of each, and the memory of the check
 * over time. The pairs are those of hh-harmless with every eleventh word another word of the file, so that few are near duplicates.
 */
export const pairs = {
  about:
    'pairs check beside tokenizers (Rust): pairs/s, memory over time; --rows N, --model FOLDER, --turns N, --plot FILE.svg, --file FILE, --alone',
  flags: ['--rows', '--model', '--turns', '--plot', '--file', '--alone'],

  async measure(say, flags) {
    const rows = Number(flags.get('--rows') ?? 20_000)
    const model = flags.get('--model') ?? process.env.INNATE_BENCH_MODEL
    if (!model) throw new Error('--model FOLDER must name a folder with tokenizer.json, got none')
    const file = flags.get('--file') ?? (await pairsFile(rows, say))
    const turns = Number(flags.get('--turns') ?? 3)
    const ours = []
    const bare = []
    const python = process.env.INNATE_PYTHON
    let memory = []
    for (let turn = 0; turn < turns; turn++) {
      if (python && !flags.has('--alone') && !file.endsWith('.parquet')) {
        bare.push(await bareTokenizer(python, model, file))
        say(`bare tokenizer: ${Math.round(bare.at(-1).pairsPerSecond)} pairs/s`)
      }
      const { seconds, usable, samples, answer } = await check(file, model)
      ours.push({ pairsPerSecond: answer.rows / seconds, seconds, usable })
      memory = samples
      say(`pairs check: ${Math.round(ours.at(-1).pairsPerSecond)} pairs/s, at most ${Math.max(...samples.map(({ mb }) => mb))} MB`)
    }
    if (flags.has('--plot')) writeFileSync(flags.get('--plot'), drawn(memory))
    const median = (all) => all.map(({ pairsPerSecond }) => pairsPerSecond).sort((a, b) => a - b)[Math.floor(all.length / 2)]
    const result = { file, bytes: statSync(file).size, rows, check: median(ours), checks: ours, memory }
    if (bare.length === 0) return { ...result, bare: 'not run here: INNATE_PYTHON must name a Python with tokenizers' }
    return { ...result, bare: median(bare), bares: bare, ratio: median(ours) / median(bare) }
  },

  table: ({ rows, bytes, check, bare, ratio, memory }) =>
    `${rows} pairs, ${Math.round(bytes / 1e6)} MB: pairs check ${Math.round(check)} pairs/s, ` +
    `bare tokenizer ${typeof bare === 'number' ? `${Math.round(bare)} pairs/s, ratio ${ratio.toFixed(2)}` : bare}\n` +
    `memory of the check: ${memory
      .map(({ mb }) => mb)
      .filter((_, i, all) => i % Math.ceil(all.length / 12) === 0)
      .join(', ')} MB over time`,
}

/** The command, from a fresh process, with its resident memory every second (Linux). */
async function check(file, model) {
  const began = performance.now()
  const command = [
    'dist/cli/main.js',
    'pairs',
    'check',
    file,
    '--model',
    model,
    '--json',
    '--quiet',
    '--quarantine',
    join(cacheFolder(), 'bench', 'aside.jsonl'),
  ]
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] })
  const samples = []
  const look = () => {
    try {
      const mb = Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))[1]) / 1024)
      samples.push({ seconds: (performance.now() - began) / 1000, mb })
    } catch {
      // It has ended, or the system has no /proc.
    }
  }
  const timer = setInterval(look, 1000)
  let out = ''
  child.stdout.on('data', (text) => {
    out += text
  })
  const code = await new Promise((resolve) => child.on('close', resolve))
  clearInterval(timer)
  if (code !== 0) throw new Error(`pairs check must end well, got exit ${code}`)
  const answer = JSON.parse(out)
  return { seconds: (performance.now() - began) / 1000, usable: answer.usable, samples, answer }
}

async function bareTokenizer(python, model, file) {
  const peer = openPeer(python, ['bench/peers/pairs_tokenizers.py'])
  const answer = await peer.ask({ cmd: 'encode', tokenizer: join(model, 'tokenizer.json'), file })
  await peer.close()
  return answer
}

/** So many pairs, written once into the cache. */
async function pairsFile(rows, say) {
  const folder = join(cacheFolder(), 'bench')
  const file = join(folder, `pairs-${rows}.jsonl`)
  if (existsSync(file)) return file
  say(`writing ${file} …`)
  mkdirSync(folder, { recursive: true })
  const real = []
  for await (const line of createInterface({ input: createReadStream(source).pipe(createGunzip()) })) real.push(JSON.parse(line))
  const words = real.flatMap(({ chosen }) => chosen.split(' ').filter((word) => /^[a-z]+$/.test(word)))
  let state = 1
  const below = (n) => (state = (state * 48271) % 2147483647) % n
  const varied = (text) => text.replace(/ [a-z]+(?= )/g, (word) => (below(11) === 0 ? ` ${words[below(words.length)]}` : word))
  const handle = await open(`${file}.tmp`, 'w')
  for (let i = 0; i < rows; i++) {
    const { prompt, chosen, rejected } = real[i % real.length]
    // A talk goes on from another one, so that a pair takes about two kilobytes.
    const before = real[(i + 7) % real.length]
    const talk = varied(before.prompt + before.chosen) + varied(prompt)
    await handle.write(`${JSON.stringify({ prompt: talk, chosen: varied(chosen), rejected: varied(rejected) })}\n`)
  }
  await handle.close()
  renameSync(`${file}.tmp`, file)
  return file
}

function drawn(samples) {
  const rows = samples.map(({ seconds, mb }) => ({
    ...{ name: 'resident memory', group: { seconds: Math.round(seconds) }, unit: 'MB', n: 1 },
    ...{ estimate: mb, low: mb, high: mb },
  }))
  return plot({ about: 'Resident memory of pairs check, its threads included.', rows }, 'lines', {
    title: 'Memory of pairs check over time',
    unit: 'MB',
    about: 'Of a row some numbers are kept; its tokens and texts are not.',
    x: 'seconds',
    span: [0, 1],
  })
}
