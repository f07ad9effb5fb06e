import { openModel } from '../policy/index.ts'
import { readTextFile, streamTaps } from '../whitebox/index.ts'
import { command, oneOf, required, text } from './command.ts'

/** Writes activations to a file; the reading is in src/whitebox. */
export const readTaps = command({
  name: 'read taps',
  about: 'Write what stands at taps inside a model, as it reads texts, to a safetensors file.',
  flags: {
    model: text('model by name or folder', { default: 'stories5m', shown: 'M' }),
    prompts: text('JSONL file of texts, plain or .gz: prompt, text or prompt_ids', { default: 'prompts.jsonl', shown: 'FILE' }),
    taps: required(text("names with commas between; * stands for one part: 'blocks.*.out,final' (docs/taps.md)", { shown: 'TAPS' })),
    positions: oneOf('every token, or the last one of each text', ['all', 'last'], { default: 'all' }),
    to: required(text('the file to write', { shown: 'FILE.safetensors' })),
    dtype: oneOf('how numbers are written', ['f32', 'f16'], { default: 'f32' }),
  },
  examples: [
    'read taps --model stories5m --taps blocks.*.out,final --to a.safetensors',
    'read taps --model stories5m --taps final --positions last --to z.safetensors --json',
  ],

  async action({ model: name, prompts, taps, positions, to, dtype }, screen, signal) {
    const model = await openModel(name, { onProgress: screen.note })
    try {
      const texts = await readTextFile(prompts, model)
      const bar = screen.progress('reading', 100)
      let shown = 0
      const onBatch = (done: number, of: number) => {
        const percent = Math.floor((100 * done) / of)
        bar.advance(percent - shown)
        shown = percent
      }
      const shapes = await streamTaps(model, texts, { taps, positions, to, dtype, onBatch, signal })
      bar.done()
      screen.emit({ to, texts: texts.length, rows: shapes.tokens![0], tensors: shapes })
      screen.table([
        ['tensor', `shape, of ${texts.length.toLocaleString('en-US')} texts`],
        ...Object.entries(shapes).map(([tap, shape]) => [tap, `[${shape.join(', ')}]`]),
      ])
      screen.note(`written: ${to}`)
    } finally {
      await model.close()
    }
  },
})
