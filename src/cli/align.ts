import { align as alignRecipe } from '../align/index.ts'
import type { Recipe } from '../recipe/index.ts'
import { command, exitCodes, text, toggle } from './command.ts'
import { keepingRun } from './keeping-run.ts'
import { changeFlags, changeWords, recipeFor } from './recipe-for.ts'
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
  },
  examples: ['align my.ts --run runs/c', 'align my.ts --rounds 1 --set look.sealed=64 --seed 1 --json'],

  async action({ recipe: path, resume, ...changes }, screen, signal) {
    const again = [path, ...changeWords({ ...changes, run: undefined })].join(' ')
    const { recipe, command } = await recipeFor('align', path, changes)
    const result = await keepingRun('align', again, { screen, watch: watchOn(screen), signal }, (watch) =>
      alignRecipe(recipe, { watch, signal, resume, command }),
    )
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

function maxTokensOf({ preferences }: Recipe): number | undefined {
  return preferences.kind === 'onPolicy' ? preferences.sampling.maxTokens : undefined
}
