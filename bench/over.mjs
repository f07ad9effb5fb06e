import { writeFileSync } from 'node:fs'
import { loadCheckpoint } from '../dist/checkpoints/index.js'
import { openEngine } from '../dist/engine/index.js'
import { reshape, sum } from '../dist/graph/index.js'
import { openPolicy, over } from '../dist/policy/index.js'
import { plot } from '../dist/runs/index.js'

const SAMPLES = 40

/**
 * Memory of `over`: the residual stream of every block, summed over all tokens of many random texts of 9 to 48 tokens, with stories5m.
 *
 * units   resident memory of the process in MB, after each of some forty batches
 */
export const overMemory = {
  about: 'memory of over(): sums of activations over 20,000 texts; --texts N, --plot FILE.svg',
  flags: ['--texts', '--plot'],

  async measure(say, flags) {
    const texts = Number(flags.get('--texts') ?? 20_000)
    const checkpoint = await loadCheckpoint('stories5m', { onProgress: say })
    const engine = openEngine()
    try {
      const policy = await openPolicy(engine, checkpoint)
      const samples = []
      const { tokens } = await over(policy, randomTexts(texts, checkpoint.config.vocabSize), sumsOf(checkpoint.config.layers), {
        onBatch(done, of) {
          if (done % Math.ceil(of / SAMPLES) !== 1 && done !== of) return
          samples.push({ texts: Math.round((texts * done) / of), memoryMB: Math.round(process.memoryUsage.rss() / 2 ** 20) })
          say(`${samples.at(-1).texts} of ${texts} texts: ${samples.at(-1).memoryMB} MB`)
        },
      })
      if (flags.has('--plot')) writeFileSync(flags.get('--plot'), drawn(samples))
      const all = samples.map(({ memoryMB }) => memoryMB)
      return { texts, tokens: tokens.data[0], least: Math.min(...all), most: Math.max(...all), last: all.at(-1), samples }
    } finally {
      await engine.close()
    }
  },

  table: ({ texts, tokens, least, most, last }) => `${texts} texts, ${tokens} tokens: ${least} to ${most} MB, ${last} MB at the end`,
}

/** The same texts every time, by a small generator (minimal standard of Park and Miller 1988). */
function randomTexts(count, vocabSize) {
  let state = 1
  const below = (n) => (state = (state * 48271) % 2147483647) % n
  return Array.from({ length: count }, () => ({
    prompt: [1, ...Array.from({ length: 8 + below(40) }, () => 3 + below(vocabSize - 3))],
    completions: [],
  }))
}

function sumsOf(layers) {
  return ({ tap, real }) => {
    const each = reshape(real, [...real.shape, 1])
    const sums = Array.from({ length: layers }, (_, i) => [`block${i}`, sum(tap(`blocks.${i}.out`).mul(each), [0, 1])])
    return { ...Object.fromEntries(sums), tokens: sum(real) }
  }
}

function drawn(samples) {
  const rows = samples.map(({ texts, memoryMB }) => ({
    ...{ name: 'resident memory', group: { texts }, unit: 'MB', n: 1 },
    ...{ estimate: memoryMB, low: memoryMB, high: memoryMB },
  }))
  return plot({ about: 'Resident memory of the process while over() sums activations.', rows }, 'lines', {
    title: 'Memory of over(), by texts read',
    unit: 'MB',
    about: 'Memory stays flat: a batch is laid out when it is its turn.',
    x: 'texts',
    span: [0, 1],
  })
}
