import { basename } from 'node:path'
import { loadCheckpoint, writeEdit } from '../checkpoints/index.ts'
import { UserError } from '../graph/errors.ts'
import { openModel } from '../policy/index.ts'
import { overSeeds, readControlTexts, readSearch, readTargetRows, refuseTargets, searchEdit } from '../whitebox/index.ts'
import { command, exitCodes, integer, required, text } from './command.ts'

/** Searches the smallest edit with a behaviour; the search is in src/whitebox/search. */
export const editSearch = command({
  name: 'edit search',
  about:
    'Find the smallest edit that makes a behaviour, by gradient descent: decided on prompts held out, under a budget of change on control texts.',
  args: { recipe: text('JSON: model, target, control, sites, size, controlKl and more (docs/whitebox.md)') },
  flags: {
    to: required(text('where the edit is written, if one is found', { shown: 'E' })),
    seeds: integer('searches in all, the others by the next seeds, to see how alike their edits are', { default: 1, min: 1 }),
  },
  examples: ['edit search search.json --to e.safetensors', 'edit search search.json --to e.safetensors --json'],

  async action({ recipe: file, to, seeds }, screen, signal) {
    if (to.endsWith('.gguf'))
      throw new UserError(`edit search --to: must be a safetensors file, got ${to}; an edit of weights has no other form`)
    const {
      model: name,
      target: targetFile,
      control: controlFile,
      paraphrases: otherFile,
      teacher: teacherName,
      ...options
    } = await readSearch(file)
    const model = await openModel(name, { onProgress: screen.note })
    try {
      const bare = options.loss === 'distribution'
      const target = await readTargetRows(targetFile, model, { bare, least: 4 })
      const control = await readControlTexts(controlFile, model)
      const paraphrases = otherFile === undefined ? undefined : await readTargetRows(otherFile, model, { bare })
      refuseTargets(controlFile, [...target, ...(paraphrases ?? [])], control)
      const teacher = teacherName === undefined ? undefined : await loadCheckpoint(teacherName, { onProgress: screen.note })
      let [bar, descents]: [ReturnType<typeof screen.progress> | undefined, number] = [undefined, 0]
      const { loss, over, sites, size, success, controlKl, heldOut, seed, steps } = options
      const searched = (seed: number) =>
        searchEdit(model, {
          ...{ target, control, over, sites, size, success, controlKl, heldOut, seed, steps, signal },
          ...(paraphrases ? { paraphrases } : {}),
          ...(teacher ? { teacher } : {}),
          onStep(step, of) {
            bar ??= screen.progress(`descent ${++descents}`, of)
            bar.advance()
            if (step < of) return
            bar.done()
            bar = undefined
          },
        })
      const first = await searched(seed)
      const all = [first]
      for (let more = 1; more < seeds; more++) all.push(await searched(seed + more))
      const { edit, changes: _, ...only } = first
      const found = { ...only, ...(seeds > 1 ? { agreement: overSeeds(all) } : {}) }
      const alike = found.agreement
      const { interval, layers, lowerBound, norm, passes } = found
      screen.table([
        ['', 'seen', 'wanted'],
        [
          'said on rows held out',
          `${percent(found.success)} [${percent(interval.low)}, ${percent(interval.high)}] of ${interval.n}`,
          `≥ ${percent(success)}`,
        ],
        ...(found.paraphrases === undefined
          ? []
          : [['on paraphrases', `${percent(found.paraphrases)} of ${found.rows.paraphrases}`, `≥ ${percent(success)}`]]),
        ...(found.explained === undefined ? [] : [['of the teacher explained', percent(found.explained), `≥ ${percent(success)}`]]),
        ['KL on control texts', `${found.controlKl.toPrecision(3)} nats`, `≤ ${controlKl}`],
        ['without, and by random edits', `${percent(found.before.success)}, ${percent(found.random.success)}`, ''],
        ['norm, and at least to first order', `${norm.toPrecision(3)}, ${lowerBound.toPrecision(3)}`, ''],
        ['rank, blocks, numbers', `${found.rank}, ${layers.join(' ') || '–'}, ${found.parameters}`, ''],
        ...(alike
          ? [[`found of ${seeds} seeds, alike`, `${alike.found}, ${alike.cos === null ? '–' : `|cos| ${alike.cos.toFixed(2)}`}`, '']]
          : []),
        ['texts read forward, back', `${passes.forward}, ${passes.backward}`, ''],
      ])
      screen.emit(found)
      if (!found.found) {
        screen.line('not found: the nearest is shown, and nothing is written')
        return exitCodes.rejected
      }
      const made = {
        by: 'edit search',
        model: model.name,
        target: basename(targetFile),
        control: basename(controlFile),
        loss,
        over,
        sites,
        size,
        success,
        controlKl,
        heldOut,
        seed,
        steps,
      }
      await writeEdit(
        to,
        edit(basename(to, '.safetensors'), { about: `${size} search of ${basename(targetFile)}`, made, measured: [found] }),
      )
      screen.line(`${to}  found; try it: innate complete ${name} --edit ${to}`)
      return exitCodes.done
    } finally {
      await model.close()
    }
  },
})

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`
}
