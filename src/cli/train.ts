import { type TrainedRun, trainRun } from '../align/index.ts'
import { command, exitCodes, integer, text, toggle } from './command.ts'
import { keepingRun, resumeLine } from './keeping-run.ts'
import { changeFlags, changeWords, recipeFor } from './recipe-for.ts'
import { contributionLine, watchOn } from './watch-screen.ts'

/** Trains on a file of preferences or of texts. */
export const train = command({
  name: 'train',
  about: 'Train a model on a file of preferences or of texts, once, without a verdict.',
  args: { recipe: text('recipe, .ts or .json') },
  flags: {
    ...changeFlags,
    steps: integer('stop after this many steps and keep a checkpoint', { min: 1 }),
    resume: toggle('go on with the run in the run folder'),
  },
  examples: [
    'train train.json --run runs/a',
    'train train.json --run runs/b --steps 2 --json',
    'train train.json --run runs/e --set train.epochs=1',
  ],

  async action({ recipe: path, steps: maxSteps, resume, ...changes }, screen, signal) {
    const again = [path, ...changeWords({ ...changes, run: undefined })].join(' ')
    const { recipe, command } = await recipeFor('train', path, changes)
    const shown = watchOn(screen)
    const watch: typeof shown = {
      ...shown,
      step(metrics, at) {
        screen.emit(metrics)
        shown.step?.(metrics, at)
      },
    }
    const result = await keepingRun('train', again, { screen, watch, signal }, (watching) =>
      trainRun(recipe, { watch: watching, signal, resume, command, ...(maxSteps ? { maxSteps } : {}) }),
    )
    const { run, model, done, steps, quarantined, gaps, heldOut, contribution, alarms = [] } = result
    for (const { alarm, why, remedy } of alarms) screen.warn(`ALARM ${alarm}: ${why}; ${remedy}`)
    if (contribution) screen.note(contributionLine(contribution))
    screen.emit({
      run,
      model: model ?? null,
      steps: done,
      quarantined,
      ...(gaps ? { gaps } : {}),
      ...(heldOut ? { heldOut } : {}),
      ...(contribution ? { contribution } : {}),
      ...(alarms.length > 0 ? { alarms } : {}),
    })
    if (model === undefined) {
      screen.warn(`stopped after step ${done} of ${steps}; ${resumeLine('train', again, run)}`)
      return signal.aborted ? exitCodes.interrupted : exitCodes.done
    }
    screen.table(rowsOf(result, model))
    return exitCodes.done
  },
})

/** What a person wants to know of a finished training run. */
function rowsOf({ run, heldOut }: TrainedRun, model: string): string[][] {
  const places = [
    ['run', run],
    ['model', model],
    ['report', `${run}/report.html`],
  ]
  if (!heldOut) return places
  if ('bitsPerByte' in heldOut)
    return [
      [`on ${heldOut.texts} held-out texts`, 'with 95 % intervals over texts'],
      ['before', `${interval(heldOut.before, 3)} bits a byte`],
      ['after', `${interval(heldOut.bitsPerByte, 3)} bits a byte`],
      ...places,
    ]
  if ('right' in heldOut) {
    const { solutions, steps, right, rightReward, wrongReward } = heldOut
    const means: Means = [['right steps', rightReward], ['wrong steps', wrongReward]] // biome-ignore format: one line
    return [...judgedLines(`on ${steps} held-out steps of ${solutions} completions, ${right} right`, heldOut, means), ...places]
  }
  if ('rewardSd' in heldOut) {
    const { completions, wanted, ties, wantedReward, unwantedReward } = heldOut
    const means: Means = [['wanted ones', wantedReward], ['unwanted ones', unwantedReward]] // biome-ignore format: one line
    const title = `on ${completions} held-out completions, ${wanted} wanted${leftOut({ ties, gaps: 0 })}`
    return [...judgedLines(title, heldOut, means), ...places]
  }
  if ('ece' in heldOut) {
    const { pairs, accuracy, ece, eceIfCalibrated, rewardMargin, marginSd } = heldOut
    return [
      [`on ${pairs} held-out pairs${leftOut(heldOut)}`, 'with 95 % intervals over prompts'],
      ['accuracy', interval(accuracy, 3)],
      ['calibration error', `${interval(ece, 3)}; ${eceIfCalibrated.toFixed(3)} if calibrated`],
      ['margin', `${interval(rewardMargin, 3)} log-odds, doubt ± ${marginSd.toFixed(3)}`],
      ...places,
    ]
  }
  if ('completions' in heldOut) {
    const { completions, wanted, labelAccuracy, wantedLogRatio, unwantedLogRatio } = heldOut
    return [
      [`on ${completions} held-out completions, ${wanted} wanted`, 'with 95 % intervals over prompts'],
      ['moved the way of the label', interval(labelAccuracy, 3)],
      ...(wantedLogRatio ? [['wanted log-ratio', `${interval(wantedLogRatio, 2)} nats`]] : []),
      ...(unwantedLogRatio ? [['unwanted log-ratio', `${interval(unwantedLogRatio, 2)} nats`]] : []),
      ...places,
    ]
  }
  return [
    [`on ${heldOut.pairs} held-out pairs${leftOut(heldOut)}`, 'with 95 % intervals over prompts'],
    ['accuracy', interval(heldOut.accuracy, 3)],
    ['chosen log-ratio', `${interval(heldOut.chosenLogRatio, 2)} nats`],
    ['rejected log-ratio', `${interval(heldOut.rejectedLogRatio, 2)} nats`],
    ...places,
  ]
}

interface Interval {
  readonly estimate: number
  readonly low: number
  readonly high: number
}

function interval({ estimate, low, high }: Interval, digits: number): string {
  return `${estimate.toFixed(digits)} [${low.toFixed(digits)}, ${high.toFixed(digits)}]`
}

/** Mean scores of what has one label, where there are some. */
type Means = readonly (readonly [of: string, mean: Interval | undefined])[]

interface JudgedOneByOne {
  readonly accuracy: Interval
  readonly ece: Interval
  readonly eceIfCalibrated: number
  readonly rewardSd: number
}

/** What is said of a reward model whose texts were judged one by one. */
function judgedLines(title: string, { accuracy, ece, eceIfCalibrated, rewardSd }: JudgedOneByOne, means: Means): string[][] {
  return [
    [title, 'with 95 % intervals over prompts'],
    ['on the side of the label', interval(accuracy, 3)],
    ['calibration error', `${interval(ece, 3)}; ${eceIfCalibrated.toFixed(3)} if calibrated`],
    ...means.flatMap(([of, mean]) => (mean ? [[`score of ${of}`, `${interval(mean, 3)} log-odds`]] : [])),
    ['doubt of a score', `± ${rewardSd.toFixed(3)} log-odds`],
  ]
}

function leftOut({ ties, gaps }: { readonly ties: number; readonly gaps: number }): string {
  const said = [...(ties > 0 ? [`${ties} ties`] : []), ...(gaps > 0 ? [`${gaps} gaps`] : [])].join(' and ')
  return said === '' ? '' : ` (${said} left out)`
}
