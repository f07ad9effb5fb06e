import { join } from 'node:path'
import { writeEdit } from '../checkpoints/index.ts'
import { UserError } from '../graph/errors.ts'
import { openModel } from '../policy/index.ts'
import type { Estimate } from '../runs/index.ts'
import {
  type ComparedEdit,
  compareEdits,
  editWays,
  readControlTexts,
  readSearch,
  readTargetRows,
  refuseTargets,
} from '../whitebox/index.ts'
import { command, listOf, text } from './command.ts'
import { effectLine } from './effect-rows.ts'

/** Reaches the behaviour of a search in several ways; the comparison is in src/whitebox. */
export const editCompare = command({
  name: 'edit compare',
  about: 'Reach the behaviour of a search recipe by search, fine-tuning, LoRA, steering and ROME, and measure them side by side.',
  args: { recipe: text('JSON, as for edit search, over weights and with completions') },
  flags: {
    ways: listOf('ways to the behaviour', editWays),
    to: text('folder that the edits are written into', { shown: 'FOLDER' }),
  },
  examples: ['edit compare search.json', 'edit compare search.json --to edits --json'],

  async action({ recipe: file, ways, to }, screen, signal) {
    const { model: name, target: targetFile, control: controlFile, paraphrases: otherFile, loss, over, ...options } = await readSearch(file)
    if (loss !== 'completion' || over !== 'weights')
      throw new UserError(`${file}: loss and over must be completion and weights to be compared, got ${loss} and ${over}; change them, or use edit search`) // biome-ignore format: one line
    const model = await openModel(name, { onProgress: screen.note })
    try {
      const target = await readTargetRows(targetFile, model, { least: 4 })
      const control = await readControlTexts(controlFile, model)
      const paraphrases = otherFile === undefined ? undefined : await readTargetRows(otherFile, model)
      refuseTargets(controlFile, [...target, ...(paraphrases ?? [])], control)
      const { sites, size, success, controlKl, heldOut, seed, steps } = options
      const bar = screen.progress('ways tried', ways.length)
      const found = await compareEdits(model, {
        ...{ target, control, sites, size: size as 'rank', success, controlKl, heldOut, seed, steps, ways, signal },
        ...(paraphrases ? { paraphrases } : {}),
        onWay: () => bar.advance(),
      })
      bar.done()
      const where = (way: string) => to && join(to, `${way}.safetensors`)
      for (const { edit, ...one } of found) {
        if (to !== undefined)
          await writeEdit(where(one.way)!, { ...edit, made: { by: 'edit compare', way: one.way }, measured: [effectLine(one)] })
        screen.emit({ ...effectLine(one), ...(to === undefined ? {} : { to: where(one.way) }) })
      }
      screen.table([['', 'held out', ...(paraphrases ? ['paraphrases'] : []), 'KL, nats', 'norm', 'rank', 'numbers', 'texts read'], ...found.map((one) => row(one, paraphrases !== undefined))]) // biome-ignore format: one line
      screen.note(`held out: the share of ${found[0]!.interval?.n ?? 1} prompts on which the completion is the likeliest; KL on ${control.length} control texts; norm: of steering that of the vector added`) // biome-ignore format: one line
    } finally {
      await model.close()
    }
  },
})

function row(
  { way, success, interval, paraphrases, paraphrasesInterval, controlKl, norm, rank, parameters, passes }: ComparedEdit,
  others: boolean,
): string[] {
  return [
    way,
    share(success, interval),
    ...(others ? [share(paraphrases!, paraphrasesInterval)] : []),
    controlKl.estimate.toPrecision(2),
    norm.toPrecision(3),
    String(rank),
    String(parameters),
    `${passes.forward} + ${passes.backward}`,
  ]
}

function share(x: number, interval: Estimate | undefined): string {
  return interval ? `${x.toFixed(2)} [${interval.low.toFixed(2)}, ${interval.high.toFixed(2)}]` : x.toFixed(2)
}
