import { basename } from 'node:path'
import { writeEdit } from '../checkpoints/index.ts'
import { openModel } from '../policy/index.ts'
import { finetune, readControlTexts, readTargetRows, refuseTargets } from '../whitebox/index.ts'
import { command, decimal, integer, required, text } from './command.ts'
import { effectLine, effectRows, mustBeEdit } from './effect-rows.ts'

/** Fine-tunes one layer of a model and writes what changed as an edit; the training is in src/whitebox. */
export const editFinetune = command({
  name: 'edit finetune',
  about: 'Fine-tune one layer so that completions follow, and write what changed as an edit, with what it does on rows held out.',
  flags: {
    model: text('model by name or folder', { default: 'stories5m', shown: 'M' }),
    target: required(text('JSONL file: prompt, completion', { shown: 'FILE' })),
    control: required(text('JSONL file: text or prompt, two rows or more that should be predicted as before', { shown: 'FILE' })),
    paraphrases: text('JSONL file as the target: other words, never trained on', { shown: 'FILE' }),
    sites: text('parameters to train, with commas; mlp.down of the middle block when left out', { shown: 'S,S' }),
    rank: integer('train low-rank factors of this inner width in the place of whole matrices, as LoRA does', { min: 1 }),
    probability: decimal('training ends once the completions are this likely', { default: 0.9, min: 0, max: 1 }),
    steps: integer('steps at most', { default: 100, min: 1 }),
    lr: decimal('step size of Adam', { default: 1e-3, min: 0 }),
    heldOut: decimal('share of the target rows that is held out', { default: 0.3, min: 0.01, max: 0.99 }),
    seed: integer('seed of the parts and the order', { default: 0, min: 0 }),
    to: required(text('where the edit is written', { shown: 'E' })),
  },
  examples: [
    'edit finetune --target target.jsonl --control rows.jsonl --to e.safetensors',
    'edit finetune --target target.jsonl --control rows.jsonl --to e.safetensors --json',
  ],

  async action({ model: name, target: targetFile, control: controlFile, paraphrases: otherFile, sites, to, ...given }, screen, signal) {
    mustBeEdit('edit finetune', to)
    const model = await openModel(name, { onProgress: screen.note })
    try {
      const target = await readTargetRows(targetFile, model, { least: 4 })
      const control = await readControlTexts(controlFile, model)
      const paraphrases = otherFile === undefined ? undefined : await readTargetRows(otherFile, model)
      refuseTargets(controlFile, [...target, ...(paraphrases ?? [])], control)
      const at = sites?.split(',').map((one) => one.trim()) ?? [`blocks.${Math.floor(model.config.layers / 2)}.mlp.down`]
      const bar = screen.progress('training', given.steps)
      const { edit, ...found } = await finetune(model, target, {
        ...given,
        control,
        paraphrases,
        sites: at,
        signal,
        onStep: () => bar.advance(),
      })
      bar.done()
      screen.table([
        ['', 'seen'],
        ['said on rows fitted on', `probability ${found.fitted.toFixed(3)} after ${found.steps} steps`],
        ...effectRows(found, 'rows held out'),
        ['norm, rank, numbers', `${found.norm.toPrecision(3)}, ${found.rank}, ${found.parameters}`],
        ['texts read forward, back', `${found.passes.forward}, ${found.passes.backward}`],
      ])
      screen.emit({ to, model: model.name, ...effectLine(found) })
      const made = {
        by: 'edit finetune',
        model: model.name,
        target: basename(targetFile),
        control: basename(controlFile),
        sites: at,
        ...given,
      }
      await writeEdit(to, edit(basename(to, '.safetensors'), { about: `${found.sites.join(', ')} tuned on ${basename(targetFile)}`, made, measured: [effectLine(found)] })) // biome-ignore format: one line
      screen.line(`${to}  try it: innate complete ${name} --edit ${to}`)
    } finally {
      await model.close()
    }
  },
})
