import { type ChildProcess, fork } from 'node:child_process'
import { UserError } from '../graph/errors.ts'
import type { Trial } from './experiment.ts'

type Asked = Omit<Trial, 'numbers'>
type Answer = { readonly numbers: Trial['numbers'] } | { readonly error: string }

/** Runs trials in processes, each of which takes the next one when it has done one; the order in which they end is no one's business. */
export async function workTrials(
  module: string,
  trials: readonly Asked[],
  how: { workers: number; signal?: AbortSignal; done: (trial: Trial) => Promise<void> },
): Promise<void> {
  const { workers, signal, done } = how
  signal?.throwIfAborted()
  const queue = [...trials]
  const children = Array.from({ length: Math.min(workers, trials.length) }, () =>
    fork(worker, [module], { serialization: 'advanced', execArgv: [], env: { ...process.env, INNATE_THREADS: '1' } }),
  )
  const end = () => {
    for (const child of children) child.kill()
  }
  signal?.addEventListener('abort', end)
  try {
    // One line is written at a time.
    let writing = Promise.resolve()
    await Promise.all(
      children.map(async (child) => {
        for (let trial = queue.shift(); trial; trial = queue.shift()) {
          const numbers = checked(trial, await ask(child, trial))
          const whole = { ...trial, numbers }
          await (writing = writing.then(() => done(whole)))
        }
        child.disconnect()
      }),
    )
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', end)
    end()
  }
}

/** Plain JavaScript, whatever loader this process was started with; it loads a module of TypeScript itself. */
const worker = new URL(import.meta.url.endsWith('.ts') ? '../../dist/runs/trial-worker.js' : './trial-worker.js', import.meta.url)

function ask(child: ChildProcess, trial: Asked): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const exit = (code: number | null, signal: string | null) => reject(new Error(`the process of a trial ended with ${code ?? signal}`))
    child.once('exit', exit)
    child.once('error', reject)
    child.once('message', (answer: Answer) => {
      child.off('exit', exit).off('error', reject)
      resolve(answer)
    })
    if (child.exitCode !== null || child.signalCode !== null) exit(child.exitCode, child.signalCode)
    else child.send(trial)
  })
}

function checked({ arm, seed, trial }: Asked, answer: Answer): Trial['numbers'] {
  const where = `arm ${arm}, seed ${seed}, trial ${trial}`
  if ('error' in answer) throw new UserError(`${where}: a trial must return its numbers, got ${answer.error}`)
  const wrong = Object.entries(answer.numbers).find(([, x]) => typeof x !== 'number' || !Number.isFinite(x))
  if (wrong) throw new UserError(`${where}: ${wrong[0]} must be a finite number, got ${wrong[1]}; leave it out where it is not defined`)
  return answer.numbers
}
