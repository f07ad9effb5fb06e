import { loadRecipe, trainRun } from '../align/index.ts'
import { UserError } from '../graph/index.ts'
import { command, exitCodes, integer, text, toggle } from './command.ts'
import { watchOn } from './watch-screen.ts'

/** Trains on a file of preferences. */
export const train = command({
  name: 'train',
  about: 'Train a model on a file of preferences, once, without a verdict.',
  args: { recipe: text('recipe, .ts or .json') },
  flags: {
    run: text('run folder; the recipe’s, or a new one under runs/', { shown: 'FOLDER' }),
    seed: integer('seed instead of the recipe’s', { min: 0 }),
    steps: integer('stop after this many steps and keep a checkpoint', { min: 1 }),
    resume: toggle('go on with the run in the run folder'),
  },
  examples: ['train train.json --run runs/a', 'train train.json --run runs/b --steps 2 --json'],

  async action({ recipe: path, run, seed, steps, resume }, screen, signal) {
    const recipe = { ...(await loadRecipe(path)), ...(run ? { run } : {}) }
    if (resume && !recipe.run) throw new UserError('train: --resume needs to know which run, got none in the recipe; add --run FOLDER')
    const seeded = seed === undefined ? recipe : { ...recipe, seed, train: { ...recipe.train, seed } }
    const shown = watchOn(screen)
    const result = await trainRun(seeded, {
      watch: {
        ...shown,
        step(metrics, at) {
          screen.emit(metrics)
          shown.step?.(metrics, at)
        },
      },
      signal,
      resume,
      command: ['innate train', path, ...(run ? ['--run', run] : []), ...(seed === undefined ? [] : ['--seed', seed])].join(' '),
      ...(steps ? { maxSteps: steps } : {}),
    })
    screen.emit({
      run: result.run,
      model: result.model ?? null,
      steps: result.done,
      ...(result.heldOut ? { heldOut: result.heldOut } : {}),
    })
    if (result.model === undefined) {
      screen.note(`stopped after step ${result.done} of ${result.steps}; go on with: innate train ${path} --run ${result.run} --resume`)
      return signal.aborted ? exitCodes.interrupted : exitCodes.done
    }
    if (result.heldOut) {
      const { accuracy: a, chosenLogRatio: c, rejectedLogRatio: r, pairs } = result.heldOut
      const interval = (x: typeof a, digits: number) =>
        `${x.estimate.toFixed(digits)} [${x.low.toFixed(digits)}, ${x.high.toFixed(digits)}]`
      screen.table([
        [`on ${pairs} held-out pairs`, 'with 95 % intervals over prompts'],
        ['accuracy', interval(a, 3)],
        ['chosen log-ratio', `${interval(c, 2)} nats`],
        ['rejected log-ratio', `${interval(r, 2)} nats`],
      ])
    }
    screen.table([
      ['run', result.run],
      ['model', result.model],
      ['report', `${result.run}/report.html`],
    ])
    return exitCodes.done
  },
})
