import { basename } from 'node:path'
import { writeEdit } from '../checkpoints/index.ts'
import { openModel } from '../policy/index.ts'
import { changeEffect, factOf, plainTexts, readControlTexts, readTargetRows, rome, sitesOf } from '../whitebox/index.ts'
import { command, decimal, exitCodes, integer, required, text } from './command.ts'
import { effectLine, effectRows, mustBeEdit } from './effect-rows.ts'

/** Makes an object follow a subject by a change of rank 1; the method is in src/whitebox. */
export const editRome = command({
  name: 'edit rome',
  about: 'Make an object follow a prompt about a subject, by a change of rank 1 of one block (ROME), and say what else it changes.',
  flags: {
    model: text('model by name or folder', { default: 'stories5m', shown: 'M' }),
    prompt: required(text('what the object should follow')),
    subject: required(text('words of the prompt that it is about')),
    object: required(text('what should follow, with its space in front')),
    layer: integer('block whose MLP is changed; the middle one when left out', { min: 0 }),
    texts: text('JSONL file of texts whose keys should be read as before, and control texts; plain sentences when left out', {
      shown: 'FILE',
    }),
    paraphrases: text('JSONL file: prompt, completion; the same in other words', { shown: 'FILE' }),
    probability: decimal('descended until the object is this likely', { default: 0.95, min: 0, max: 1 }),
    steps: integer('steps of that descent at most', { default: 60, min: 1 }),
    seed: integer('seed of the random edits beside it', { default: 0, min: 0 }),
    to: required(text('where the edit is written', { shown: 'E' })),
  },
  examples: [
    "edit rome --prompt 'The cat sat' --subject cat --object ' down' --to e.safetensors",
    "edit rome --prompt 'The cat sat' --subject cat --object ' down' --to e.safetensors --json",
  ],

  async action({ model: name, prompt, subject, object, texts: file, paraphrases: otherFile, to, seed, ...given }, screen, signal) {
    mustBeEdit('edit rome', to)
    const model = await openModel(name, { onProgress: screen.note })
    try {
      const { row, position } = factOf(model, { prompt, subject, object })
      const texts = file === undefined ? plainTexts.map((one) => model.ids(one)) : (await readControlTexts(file, model)).map(({ ids }) => ids) // biome-ignore format: one line
      const paraphrases = otherFile === undefined ? undefined : await readTargetRows(otherFile, model)
      const layer = given.layer ?? Math.floor(model.config.layers / 2)
      const bar = screen.progress('descending', given.steps)
      const made = await rome(model, row.ids.slice(0, row.from), row.ids.slice(row.from), { layer, subject: position, texts, probability: given.probability, steps: given.steps, signal, onStep: () => bar.advance() }) // biome-ignore format: one line
      bar.done()
      const effect = await changeEffect(model, await sitesOf(model, [made.path], { over: 'weights', matrices: true, texts: [] }), { [made.path]: made.change }, { rows: [row], paraphrases, control: texts }, { seed, rankOne: true, signal }) // biome-ignore format: one line
      const found = effect.success === 1
      screen.table([
        ['', 'seen'],
        ['value found', `probability ${made.before.toFixed(3)} → ${made.after.toFixed(3)} in ${made.steps} steps`],
        ...effectRows(effect, 'the prompt'),
        ['norm', made.norm.toPrecision(3)],
      ])
      const line = { model: model.name, layer, subject, position, object, found, steps: made.steps, value: { before: made.before, after: made.after }, norm: made.norm, rank: 1, ...effectLine(effect) } // biome-ignore format: one line
      screen.emit({ to, ...line })
      if (!found) {
        screen.line('not found: the object is not the likeliest after the prompt, and nothing is written; take another block or more steps')
        return exitCodes.rejected
      }
      const told = { about: `${object.trim()} follows ${JSON.stringify(prompt)}`, measured: [line] }
      await writeEdit(to, made.edit(basename(to, '.safetensors'), told))
      screen.line(`${to}  try it: innate complete ${name} ${JSON.stringify(prompt)} --edit ${to}`)
      return exitCodes.done
    } finally {
      await model.close()
    }
  },
})
