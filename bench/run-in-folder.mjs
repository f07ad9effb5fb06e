import { runExperiment } from '../dist/runs/index.js'

/** Runs an experiment of the benches, by its URL, with the flags --folder, --workers and --seeds. */
export async function runInFolder(module, name, flags, say) {
  const { default: experiment } = await import(module)
  const seeds = Array.from({ length: Number(flags.get('--seeds') ?? experiment.seeds.length) }, (_, i) => i + 1)
  const began = performance.now()
  return runExperiment({ ...experiment, seeds }, module, {
    folder: flags.get('--folder') ?? `.innate/${name}-${seeds.length}`,
    ...(flags.has('--workers') ? { workers: Number(flags.get('--workers')) } : {}),
    progress: (done, total) => say(`${done} of ${total} runs, ${Math.round((performance.now() - began) / 1000)} s`),
  })
}

/** What was measured in each arm, mean over seeds, and the verdict. */
export function armsTable({ verdict, why, table }) {
  const names = [...new Set(table.rows.map(({ name }) => name))]
  const arms = [...new Set(table.rows.map(({ group }) => group.arm))]
  const cell = (arm, name) => table.rows.find((row) => row.name === name && row.group.arm === arm).estimate.toFixed(2)
  return [
    `${'mean over seeds'.padEnd(22)}${names.map((name) => name.padStart(22)).join('')}`,
    ...arms.map((arm) => `${arm.padEnd(22)}${names.map((name) => cell(arm, name).padStart(22)).join('')}`),
    `${verdict}: ${why}`,
  ].join('\n')
}
