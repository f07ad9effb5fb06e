import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { runExperiment } from '../dist/runs/index.js'
import { choice } from './prior/choice.mjs'

/** The three ways of a prior into training beside votes alone, on npm start's recipe with few votes. */
export const prior = {
  about: 'votes until accepted with the prior in labels, choice or reference; --folder DIR, --workers N, --seeds N (4), or --choice alone',
  flags: ['--folder', '--workers', '--seeds', '--choice'],

  async measure(say, flags) {
    if (flags.has('--choice')) return { choice: await choice(Number(flags.get('--seeds') ?? 40), say) }
    const module = pathToFileURL(join(import.meta.dirname, 'prior/votes-needed.mjs')).href
    const { default: experiment } = await import(module)
    const seeds = Array.from({ length: Number(flags.get('--seeds') ?? experiment.seeds.length) }, (_, i) => i + 1)
    const began = performance.now()
    return runExperiment({ ...experiment, seeds }, module, {
      folder: flags.get('--folder') ?? `.innate/votes-needed-${seeds.length}`,
      ...(flags.has('--workers') ? { workers: Number(flags.get('--workers')) } : {}),
      progress: (done, total) => say(`${done} of ${total} runs, ${Math.round((performance.now() - began) / 1000)} s`),
    })
  },

  table({ verdict, why, table, choice }) {
    if (choice) return choiceTable(choice)
    const names = [...new Set(table.rows.map(({ name }) => name))]
    const arms = [...new Set(table.rows.map(({ group }) => group.arm))]
    const cell = (arm, name) => table.rows.find((row) => row.name === name && row.group.arm === arm).estimate.toFixed(2)
    return [
      `${'mean over seeds'.padEnd(22)}${names.map((name) => name.padStart(22)).join('')}`,
      ...arms.map((arm) => `${arm.padEnd(22)}${names.map((name) => cell(arm, name).padStart(22)).join('')}`),
      `${verdict}: ${why}`,
    ].join('\n')
  },
}

function choiceTable(rows) {
  const votes = [...new Set(rows.map((row) => row.votes))]
  const cell = ({ estimate, low, high }) => `${estimate.toFixed(2)} ± ${((high - low) / 2).toFixed(2)}`.padStart(14)
  return [
    `${'utility, best less worst'.padEnd(26)}${votes.map((n) => `${n} votes`.padStart(14)).join('')}`,
    ...[...new Set(rows.map(({ way }) => way))].map(
      (way) => way.padEnd(26) + votes.map((n) => cell(rows.find((row) => row.way === way && row.votes === n))).join(''),
    ),
  ].join('\n')
}
