import { type Aligned, align as alignRecipe, type Watch } from '../align/index.ts'
import { LabelsMissing } from '../goals/index.ts'
import type { Recipe } from '../recipe/index.ts'
import { command, exitCodes, text, toggle } from './command.ts'
import { calledHere, keepingRun } from './keeping-run.ts'
import { changeFlags, changeWords, recipeFor } from './recipe-for.ts'
import type { Screen } from './screen.ts'
import { verdictLines } from './verdict-lines.ts'
import { watchOn } from './watch-screen.ts'

/** The five steps, to a verdict. */
export const align = command({
  name: 'align',
  about: 'Prior, preferences, loss, backpropagation, verdict: align a model until its criteria hold, or say why not.',
  args: { recipe: text('recipe, .ts or .json') },
  flags: {
    ...changeFlags,
    resume: toggle('go on with the run in the run folder'),
    wait: toggle('where people are the judge: wait for their labels instead of stopping until --resume'),
  },
  examples: ['align my.ts --run runs/c', 'align my.ts --rounds 1 --set look.sealed=64 --seed 1 --json'],

  async action({ recipe: path, resume, wait, ...changes }, screen, signal) {
    const again = [path, ...changeWords({ ...changes, run: undefined })].join(' ')
    const { recipe, command } = await recipeFor('align', path, changes)
    let folder = ''
    const keep = (watch: Watch): Watch => ({
      ...watch,
      run: (at) => watch.run?.((folder = at)),
      step(metrics, at) {
        // Of rewards every step is told; with a judge the rounds are.
        if (recipe.preferences.kind === 'rewarded') screen.emit(metrics)
        watch.step?.(metrics, at)
      },
    })
    let result: Aligned
    try {
      result = await keepingRun('align', again, { screen, watch: watchOn(screen), signal }, (watch) =>
        alignRecipe(recipe, { watch: keep(watch), signal, resume, wait, command }),
      )
    } catch (error) {
      const missing = labelsMissing(error)
      if (!missing) throw error
      return sayMissing(missing, { folder, recipe: again }, screen)
    }
    const { verdict, round: _, look: __, ...beside } = result
    screen.emit({ verdict, ...beside })
    for (const line of verdictLines(result, screen, maxTokensOf(recipe))) screen.line(line)
    return {
      accepted: exitCodes.done,
      rejected: exitCodes.rejected,
      'out of budget': exitCodes.outOfBudget,
      'cannot tell': exitCodes.outOfBudget,
    }[verdict]
  },
})

/** The labels that are missing, where it is that which stopped a run. */
function labelsMissing(error: unknown): LabelsMissing | undefined {
  if (error instanceof LabelsMissing) return error
  return error instanceof Error && error.cause instanceof LabelsMissing ? error.cause : undefined
}

/** A run that waits for people: how many labels, how to give them, and how to go on. */
function sayMissing({ store, missing, asked }: LabelsMissing, at: { folder: string; recipe: string }, screen: Screen): number {
  const label = `innate label ${calledHere(store)}`
  const resume = `innate align ${at.recipe} --run ${calledHere(at.folder)} --resume`
  screen.emit({ waiting: { store: calledHere(store), missing, asked, label, resume }, run: at.folder })
  screen.line()
  screen.line(screen.colour.bold(screen.colour.yellow('WAITING FOR PEOPLE')))
  screen.line()
  screen.line(`${missing} of ${asked} pairs have no label yet. What was done is kept.`)
  screen.line()
  screen.table([
    ['give labels', label],
    ['then go on', resume],
  ])
  return exitCodes.waiting
}

function maxTokensOf({ preferences }: Recipe): number | undefined {
  return preferences.kind === 'onPolicy' || preferences.kind === 'rewarded' ? preferences.sampling.maxTokens : undefined
}
