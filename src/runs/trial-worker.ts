import { fileURLToPath } from 'node:url'
import { createJiti } from 'jiti'
import type { Experiment, Trial } from './experiment.ts'

// A process that runs trials: it loads an experiment's module and answers each trial with its numbers, one engine thread in all.

const [module] = process.argv.slice(2)
const load = async (): Promise<Experiment> => {
  const path = fileURLToPath(module!)
  const found = path.endsWith('.ts') ? await createJiti(import.meta.url, { interopDefault: false }).import(path) : await import(module!)
  return (found as { default: Experiment }).default
}
const experiment = load()
experiment.catch(() => {}) // said with the first trial

process.on('message', async ({ arm, seed, trial }: Omit<Trial, 'numbers'>) => {
  try {
    process.send!({ numbers: await (await experiment).run(arm, seed, trial) })
  } catch (error) {
    process.send!({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
})
process.on('disconnect', () => process.exit()) // whoever asked is gone
