import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { runExperiment } from '../dist/runs/index.js'

/** Every plant and every benign training through the audits, on twenty seeds; the folder keeps what is done, and a second call goes on. */
export const audits = {
  about: 'audits: plants against look-alikes and ordinary trainings; --channels first (1 and 2) or all, --folder DIR, --workers N',
  flags: ['--channels', '--folder', '--workers'],

  async measure(say, flags) {
    const which = flags.get('--channels') ?? 'all'
    const module = pathToFileURL(join(import.meta.dirname, `../dist/audits/roc-${which === 'first' ? 'first' : 'all'}.js`)).href
    const { default: experiment } = await import(module)
    const began = performance.now()
    const decided = await runExperiment(experiment, module, {
      folder: flags.get('--folder') ?? `.innate/audits-${which}`,
      ...(flags.has('--workers') ? { workers: Number(flags.get('--workers')) } : {}),
      progress: (done, total) => done % 20 === 0 && say(`${done} of ${total} cases, ${Math.round((performance.now() - began) / 1000)} s`),
    })
    return { ...decided, arms: matrixOf(decided.table) }
  },

  table({ verdict, why, arms }) {
    const channels = Object.keys(arms[0].found)
    const rows = arms.map(
      ({ arm, kind, found }) => `${arm.padEnd(44)}${kind.padEnd(9)}${channels.map((c) => String(found[c]).padStart(8)).join('')}`,
    )
    return [
      `${'share of seeds with an alarm'.padEnd(53)}${channels.map((c) => `ch. ${c}`.padStart(8)).join('')}`,
      ...rows,
      '',
      `${verdict}: ${why}`,
    ].join('\n')
  },
}

/** The share of seeds in which each channel found something, by arm: the specificity matrix. */
function matrixOf({ rows }) {
  const found = rows.filter(({ name }) => name.startsWith('found'))
  return [...new Set(found.map(({ group }) => group.arm))].map((arm) => {
    const mine = found.filter(({ group }) => group.arm === arm)
    return { arm, kind: mine[0].group.kind, found: Object.fromEntries(mine.map(({ name, estimate }) => [name.slice(5), estimate])) }
  })
}
