import { align as alignRecipe, loadRecipe } from '../align/index.ts'
import { UserError } from '../graph/index.ts'
import { command, exitCodes, integer, text, toggle } from './command.ts'
import { verdictLines } from './verdict-lines.ts'
import { watchOn } from './watch-screen.ts'

/** The five steps, to a verdict. */
export const align = command({
  name: 'align',
  about: 'Prior, preferences, loss, backpropagation, verdict: align a model until its criteria hold, or say why not.',
  args: { recipe: text('recipe, .ts or .json') },
  flags: {
    run: text('run folder; the recipe’s, or a new one under runs/', { shown: 'FOLDER' }),
    seed: integer('seed instead of the recipe’s', { min: 0 }),
    resume: toggle('go on with the run in the run folder'),
  },
  examples: ['align align.json --run runs/c', 'align align.json --run runs/d --seed 1 --json'],

  async action({ recipe: path, run, seed, resume }, screen, signal) {
    const recipe = { ...(await loadRecipe(path)), ...(run ? { run } : {}) }
    if (resume && !recipe.run) throw new UserError('align: --resume needs to know which run, got none in the recipe; add --run FOLDER')
    const seeded = seed === undefined ? recipe : { ...recipe, seed, train: { ...recipe.train, seed } }
    const words = ['innate align', path, ...(run ? ['--run', run] : []), ...(seed === undefined ? [] : ['--seed', seed])]
    const result = await alignRecipe(seeded, { watch: watchOn(screen), signal, resume, command: words.join(' ') })
    const { verdict, rounds, criteria, reasons, run: folder, model } = result
    screen.emit({ verdict, rounds, criteria, reasons, run: folder, ...(model ? { model } : {}) })
    for (const line of verdictLines(result, screen)) screen.line(line)
    return { accepted: exitCodes.done, rejected: exitCodes.rejected, 'out of budget': exitCodes.outOfBudget }[verdict]
  },
})
