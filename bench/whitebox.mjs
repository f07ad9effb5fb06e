import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadCheckpoint, readSafetensors } from '../dist/checkpoints/index.js'
import { openPeer } from './peer.mjs'

const LENGTH = 256
/** How much is measured of each model, so that one of 135 million parameters takes minutes. `every` takes that share of the peer's patches. */
const SIZES = {
  stories15m: { texts: 48, rounds: 5, prompt: 64, patchRounds: 3, every: 1, lens: 64, flat: [200, 1000] },
  folder: { texts: 8, rounds: 3, prompt: 64, patchRounds: 1, every: 4, lens: 32 },
  quick: { texts: 4, rounds: 1, prompt: 16, patchRounds: 1, every: 4, lens: 20, flat: [20, 100] },
}
const TEXT =
  'Once upon a time there was a little girl named Lily. She loved to play outside in the park with her red ball. One day, her mom said that it was time to go home, but Lily did not want to go. She hid behind a big tree and waited. Then she saw a small dog, who was very sad, because he had lost his bone in the grass near the pond.'

/**
 * Reading taps into files, patching every layer and position of a prompt, and fitting a Jacobian lens, beside TransformerLens on PyTorch, which
 * takes turns with ours in one run; and each beside our own forward passes.
 *
 * units   seconds, medians of the rounds; ratios are medians of the rounds' ratios, above 1 where ours is faster or smaller; memory is the
 *         process's high mark over what it was asked for
 */
export const whitebox = {
  about:
    'the white box beside TransformerLens: reading, patching, a lens, memory; --model FOLDER measures that model too, --only FOLDER it alone; --quick tries it',
  flags: ['--model', '--only', '--quick'],

  async measure(say, flags) {
    const python = process.env.INNATE_PYTHON ?? 'python3'
    const has = spawnSync(python, ['-c', 'import transformer_lens']).status === 0
    const notRun = has
      ? []
      : [`TransformerLens not run here: ${python} lacks it; point INNATE_PYTHON at a Python that has transformer_lens 4.3`]
    const folder = mkdtempSync(join(tmpdir(), 'innate-bench-'))
    const asked = flags.get('--only') ?? flags.get('--model')
    const models = [
      ...(flags.has('--only')
        ? []
        : [
            {
              name: 'stories15m',
              path: (await loadCheckpoint('stories15m', { onProgress: say })).folder,
              ...(flags.has('--quick') ? SIZES.quick : SIZES.stories15m),
            },
          ]),
      ...(asked ? [{ name: asked.split('/').at(-1), path: asked, ...(flags.has('--quick') ? SIZES.quick : SIZES.folder) }] : []),
    ]
    try {
      const measured = {}
      for (const model of models) measured[model.name] = await measureModel(model, has ? python : undefined, folder, say)
      if (!flags.has('--only')) measured.flat = await flat(models[0], folder, say)
      return { ...measured, notRun, machine: { cpu: cpus()[0].model, cores: cpus().length, load: loadavg()[0].toFixed(2) } }
    } finally {
      rmSync(folder, { recursive: true })
    }
  },

  table({ notRun, machine, flat, ...models }) {
    const number = (x, digits = 2) => (x === undefined ? '–' : x.toFixed(digits))
    const row = (what, { ours, peer, vsPeer, vsBare }) =>
      `  ${what.padEnd(42)}${number(ours).padStart(8)} s${number(peer).padStart(9)} s${number(vsPeer).padStart(8)} ×${vsBare === undefined ? '' : `${number(vsBare).padStart(10)}`}`
    const lines = Object.entries(models).flatMap(([name, { reading, patching, lens }]) => [
      `${name.padEnd(44)}${'ours'.padStart(10)}${'peer'.padStart(11)}${'ours is'.padStart(10)}${'beside bare'.padStart(12)}`,
      row(`four taps in f32, ${reading.tokens} tokens`, reading.four),
      row('every block in f16', reading.all),
      row(`patching ${patching.runs} places of ${patching.prompt} tokens`, patching),
      row('a Jacobian lens of one text', lens),
      ...Object.entries({ reading, patching, lens }).map(
        ([what, { memory }]) =>
          `  ${`peak memory, ${what}`.padEnd(42)}${number(memory.ours, 0).padStart(7)} MB${number(memory.peer, 0).padStart(8)} MB${number(memory.share).padStart(8)} of it`,
      ),
      `  largest difference: effects ${patching.apart?.toExponential(1) ?? '–'}, lens ${lens.apart?.toExponential(1) ?? '–'} of its norm`,
      '',
    ])
    const flatLine = flat
      ? [
          `peak memory of reading four taps, stories15m: ${flat.map(({ texts, peakMemoryMB }) => `${peakMemoryMB.toFixed(0)} MB for ${texts} texts`).join(', ')}`,
        ]
      : []
    return [
      ...lines,
      'beside bare: time of bare forward passes over ours; of patching ours over as many bare forwards',
      ...flatLine,
      ...notRun,
      `on ${machine.cores} × ${machine.cpu}, load ${machine.load}`,
    ].join('\n')
  },
}

async function measureModel(model, python, folder, say) {
  const { name, path, rounds, patchRounds, prompt, every } = model
  const tell = (line) => say(`${name}: ${line}`)
  const reading = await race(path, python, tell, rounds, ({ layers, vocabSize }) => {
    const texts = randomTexts(model.texts, vocabSize)
    const read = (blocks, dtype) => ({ cmd: 'read', texts, blocks, dtype })
    const four = [0, 1, 2, 3].map((i) => Math.floor((i * (layers - 1)) / 3))
    const all = Array.from({ length: layers }, (_, i) => i)
    const to = { ours: join(folder, 'taps.safetensors'), peer: folder }
    return { bare: { ours: { cmd: 'bare', texts } }, four: both(read(four, 'f32'), to), all: both(read(all, 'f16'), to) }
  })
  const patching = await race(path, python, tell, patchRounds, async ({ layers }, ours) => {
    const { ids } = await ours.ask({ cmd: 'ids', text: TEXT })
    const clean = ids.slice(0, prompt)
    const contrast = { clean, corrupted: clean.with(prompt - 8, ids[1]), answer: ids[prompt], wrong: ids[prompt - 1] }
    const runs = Math.round((layers * prompt) / every)
    return {
      bare: { ours: { cmd: 'bare', texts: Array.from({ length: runs }, () => contrast.corrupted) } },
      patch: { ours: { cmd: 'patch', contrast }, peer: { cmd: 'patch', contrast, every } },
    }
  })
  const lens = await race(path, python, tell, patchRounds, async (_, ours) => {
    const { ids: whole } = await ours.ask({ cmd: 'ids', text: TEXT })
    const ids = whole.slice(0, model.lens)
    const to = { ours: join(folder, 'ours.safetensors'), peer: join(folder, 'peer.safetensors') }
    return {
      fit: {
        ours: { cmd: 'fit', ids, to: to.ours },
        peer: { cmd: 'fit', text: TEXT, ids, to: to.peer },
      },
    }
  })
  const tokens = model.texts * LENGTH
  const scaled = patching.seconds.patch
  const peer = scaled.peer?.map((seconds) => every * seconds)
  const bare = patching.seconds.bare.ours.map((seconds) => every * seconds)
  const [{ effects }, theirs] = [patching.last.patch.ours, patching.last.patch.peer?.effects]
  return {
    reading: {
      tokens,
      bare: median(reading.seconds.bare.ours),
      four: against(reading, 'four'),
      all: against(reading, 'all'),
      memory: reading.memory,
    },
    patching: {
      runs: effects.length,
      prompt,
      ...figures({ ours: scaled.ours, peer }),
      vsBare: median(scaled.ours.map((seconds, i) => seconds / bare[i])),
      ...(theirs ? { apart: Math.max(...theirs.map((x, i) => Math.abs(x - effects[i * every]))) } : {}),
      memory: patching.memory,
    },
    lens: { ...figures(lens.seconds.fit), ...(python ? { apart: await lensesApart(folder) } : {}), memory: lens.memory },
  }
}

function both(command, to) {
  return { ours: { ...command, to: to.ours }, peer: { ...command, to: to.peer } }
}

/** Fresh processes, one each, that are asked in turn; a first round warms up. Whoever lacks a command sits it out. */
async function race(path, python, say, rounds, commandsOf) {
  const here = (file) => fileURLToPath(new URL(file, import.meta.url))
  const open = {
    ours: openPeer(process.execPath, [here('whitebox-ours.mjs')]),
    ...(python ? { peer: openPeer(python, [here('peers/whitebox_transformer_lens.py')]) } : {}),
  }
  const { seconds: _, ...facts } = await open.ours.ask({ cmd: 'load', model: path })
  await open.peer?.ask({ cmd: 'load', model: path, threads: cpus().length })
  const commands = await commandsOf(facts, open.ours)
  const seconds = Object.fromEntries(Object.keys(commands).map((what) => [what, {}]))
  const last = Object.fromEntries(Object.keys(commands).map((what) => [what, {}]))
  for (let round = rounds === 1 ? 0 : -1; round < rounds; round++) {
    for (const [what, asked] of Object.entries(commands))
      for (const [who, process] of Object.entries(open)) {
        if (!asked[who]) continue
        const answer = await process.ask(asked[who])
        last[what][who] = answer
        if (round >= 0) (seconds[what][who] ??= []).push(answer.seconds)
        say(`round ${round + 1} of ${rounds}: ${what}, ${who} ${answer.seconds.toFixed(2)} s`)
      }
  }
  const memory = {}
  for (const [who, process] of Object.entries(open)) {
    memory[who] = (await process.ask({ cmd: 'peak' })).peakMemoryMB
    await process.close()
  }
  return { seconds, last, memory: { ...memory, ...(memory.peer ? { share: memory.ours / memory.peer } : {}) } }
}

/** Reading beside the peer, and beside our bare pass of the same round. */
function against({ seconds }, what) {
  return { ...figures(seconds[what]), vsBare: median(seconds.bare.ours.map((bare, i) => bare / seconds[what].ours[i])) }
}

function figures({ ours, peer }) {
  return { ours: median(ours), ...(peer ? { peer: median(peer), vsPeer: median(ours.map((seconds, i) => peer[i] / seconds)) } : {}) }
}

/** The largest difference of a matrix of both lenses, relative to its Frobenius norm. */
async function lensesApart(folder) {
  const [ours, peer] = await Promise.all(['ours', 'peer'].map((who) => readSafetensors(join(folder, `${who}.safetensors`))))
  const norm = (x) => Math.sqrt(x.reduce((sum, y) => sum + y * y, 0))
  return Math.max(
    ...[...peer].map(([name, { data }]) => {
      const mine = ours.get(name).data
      return norm(data.map((x, i) => x - mine[i])) / norm(data)
    }),
  )
}

/** Peak memory of reading few texts and many, each in a process of its own. */
async function flat({ path, flat: counts }, folder, say) {
  const found = []
  for (const texts of counts) {
    const ours = openPeer(process.execPath, [fileURLToPath(new URL('whitebox-ours.mjs', import.meta.url))])
    const { vocabSize } = await ours.ask({ cmd: 'load', model: path })
    const { seconds } = await ours.ask({
      cmd: 'read',
      texts: randomTexts(texts, vocabSize),
      blocks: [0, 1, 3, 5],
      dtype: 'f32',
      to: join(folder, 'flat.safetensors'),
    })
    found.push({ texts, seconds, ...(await ours.ask({ cmd: 'peak' })) })
    await ours.close()
    say(`${texts} texts: ${found.at(-1).peakMemoryMB.toFixed(0)} MB`)
  }
  return found
}

/** The same texts every time, by a small generator (minimal standard of Park and Miller 1988). */
function randomTexts(count, vocabSize) {
  let state = 1
  const below = (n) => (state = (state * 48271) % 2147483647) % n
  return Array.from({ length: count }, () => [1, ...Array.from({ length: LENGTH - 1 }, () => 3 + below(vocabSize - 3))])
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
