import { relative } from 'node:path'
import type { Watch } from '../align/index.ts'
import { UserError } from '../graph/index.ts'
import type { Screen } from './screen.ts'

/** How a run that was stopped goes on, on a line of its own to be copied. */
export function resumeLine(verb: string, recipe: string, folder: string): string {
  return `go on with:\n  innate ${verb} ${recipe} --run ${calledHere(folder)} --resume`
}

/** A path as it is called from the current folder, where it lies in it. */
export function calledHere(path: string): string {
  const here = relative('', path)
  return here === '' || here.startsWith('..') ? path : here
}

/** Does something that keeps a run folder; when it stops half-way, says what is kept and how to go on. */
export async function keepingRun<T>(
  verb: string,
  recipe: string,
  { screen, watch, signal }: { screen: Screen; watch: Watch; signal: AbortSignal },
  work: (watch: Watch) => Promise<T>,
): Promise<T> {
  let kept = ''
  const run = (folder: string) => {
    kept = folder
  }
  try {
    return await work({ ...watch, run })
  } catch (error) {
    if (kept === '') throw error
    if (signal.aborted) screen.warn(`stopped; ${resumeLine(verb, recipe, kept)}`)
    else if (error instanceof UserError && error.inRecipe)
      throw new UserError(`${error.message}\nWhat was done is kept in ${kept}. A changed recipe needs a new run`, { cause: error })
    else if (error instanceof UserError)
      throw new UserError(
        `${error.message}\nWhat was done is kept. A changed recipe needs a new run; with this one ${resumeLine(verb, recipe, kept)}`,
        { cause: error },
      )
    throw error
  }
}
