import { existsSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { runExperiment } from '../dist/runs/index.js'

/** Edits planted in stories5m, recovered from what the planted model predicts; the folder keeps what is done, and a second call goes on. */
export const planted = {
  about:
    'planted: edits of a model found by their predictions alone, ten seeds and ten controls; --model M, --seeds N, --folder DIR, --workers N',
  flags: ['--model', '--seeds', '--folder', '--workers'],

  async measure(say, flags) {
    const model = flags.get('--model') ?? 'stories5m'
    const asked = new URLSearchParams({ model: existsSync(model) ? resolve(model) : model, seeds: flags.get('--seeds') ?? '10' })
    const module = `${pathToFileURL(join(import.meta.dirname, '../dist/whitebox/search/planted-edits.js'))}?${asked}`
    const { default: experiment } = await import(module)
    const began = performance.now()
    const decided = await runExperiment(experiment, module, {
      folder: flags.get('--folder') ?? `.innate/planted-${basename(model)}`,
      ...(flags.has('--workers') ? { workers: Number(flags.get('--workers')) } : {}),
      progress: (done, total) => say(`${done} of ${total} searches, ${Math.round((performance.now() - began) / 1000)} s`),
    })
    return { ...decided, seeds: rowsOf(decided.table) }
  },

  table({ verdict, why, low, high, seeds }) {
    const columns = ['planted', 'block', 'rank', 'cos', 'norm', 'plantedNorm', 'explained', 'byChance', 'controlKl', 'plantedControlKl']
    return [
      `${'seed'.padEnd(14)}${columns.map((name) => name.padStart(18)).join('')}`,
      ...seeds.map((row) => `${`${row.arm}, ${row.seed}`.padEnd(14)}${columns.map((name) => shown(row[name]).padStart(18)).join('')}`),
      '',
      `${verdict}: ${why}; share [${low.toFixed(2)}, ${high.toFixed(2)}]`,
    ].join('\n')
  },
}

function shown(x) {
  return Number.isInteger(x) ? String(x) : String(Number(x.toPrecision(3)))
}

/** The numbers of each search in one row. */
function rowsOf({ rows }) {
  const arms = [...new Set(rows.map(({ group }) => group.arm))]
  return arms.flatMap((arm) => {
    const mine = rows.filter(({ group }) => group.arm === arm)
    return mine[0].values.map((_, seed) => ({ arm, seed, ...Object.fromEntries(mine.map(({ name, values }) => [name, values[seed]])) }))
  })
}
