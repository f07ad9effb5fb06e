import { openModel } from '../policy/index.ts'
import { fitJacobian, fitTuned, readTextFile, saveLens } from '../whitebox/index.ts'
import { command, integer, oneOf, required, text } from './command.ts'

/** Fits a lens and writes it; the fitting is in src/whitebox. */
export const readFit = command({
  name: 'read fit',
  about: 'Fit a lens on texts, for read lens --lens: tuned, a map per block to what the model says; or jacobian, the mean derivative.',
  flags: {
    kind: required(oneOf('which lens', ['tuned', 'jacobian'])),
    model: text('model by name or folder', { default: 'stories5m', shown: 'M' }),
    prompts: text('JSONL file of texts: prompt, text or prompt_ids', { default: 'prompts.jsonl', shown: 'FILE' }),
    to: required(text('the file to write', { shown: 'LENS.safetensors' })),
    skip: integer('tokens at the beginning of each text that are left out', { default: 16, unit: 'tokens', min: 0 }),
  },
  examples: [
    'read fit --kind jacobian --model stories5m --skip 1 --to lens.safetensors',
    'read fit --kind tuned --model stories5m --skip 1 --to lens.safetensors --json',
  ],

  async action({ kind, model: name, prompts, to, skip }, screen, signal) {
    const model = await openModel(name, { onProgress: screen.note })
    try {
      const texts = await readTextFile(prompts, model, { least: kind === 'jacobian' ? skip + 2 : skip + 1 })
      let bar: ReturnType<typeof screen.progress> | undefined
      const advance = (_: number, of: number) => {
        bar ??= screen.progress('fitting', of)
        bar.advance()
      }
      const fitted =
        kind === 'jacobian'
          ? { lens: await fitJacobian(model, texts, { skip, signal, onText: advance }) }
          : await fitTuned(model, texts, { skip, signal, onStep: advance })
      bar?.done()
      await saveLens(to, fitted.lens, model.config)
      const tokens = texts.reduce((sum, { ids }) => sum + ids.length, 0)
      screen.emit({ to, kind, texts: texts.length, tokens, ...('kl' in fitted ? { kl: fitted.kl } : {}) })
      screen.line(`a ${kind} lens of ${model.config.layers} blocks, fitted on ${texts.length} texts of ${tokens} tokens: ${to}`)
      if ('kl' in fitted)
        screen.table([
          ['block', 'KL to the model’s output, nats a token: logit lens', 'tuned'],
          ...fitted.kl.map(({ logit, tuned }, layer) => [String(layer), logit.toFixed(3), tuned.toFixed(3)]),
        ])
    } finally {
      await model.close()
    }
  },
})
