import { UserError } from '../graph/errors.ts'
import { type Model, openModel } from '../policy/index.ts'
import { fitJacobian, fitSae, fitTuned, hookOf, type Quality, type ReadText, readTextFile, saveLens, saveSae } from '../whitebox/index.ts'
import { command, decimal, integer, oneOf, required, text } from './command.ts'
import type { Screen } from './screen.ts'

/** Fits a lens or a sparse autoencoder and writes it; the fitting is in src/whitebox. */
export const readFit = command({
  name: 'read fit',
  about: 'Fit on texts: a lens (tuned, a map per block to what the model says; jacobian, the mean derivative), or a sparse autoencoder.',
  flags: {
    kind: required(oneOf('what is fitted', ['tuned', 'jacobian', 'sae'])),
    model: text('model by name or folder', { default: 'stories5m', shown: 'M' }),
    prompts: text('JSONL file of texts: prompt, text or prompt_ids', { default: 'prompts.jsonl', shown: 'FILE' }),
    to: required(text('what is written: the file of a lens, or a folder that SAELens reads', { shown: 'LENS.safetensors|FOLDER' })),
    skip: integer('tokens at the beginning of each text that are left out; 16 for a lens, 1 for an sae', { unit: 'tokens', min: 0 }),
    tap: text('of an sae: the tap it reads', { shown: 'T' }),
    features: integer('of an sae: how many; 4 for each number of the tap when left out', { min: 1 }),
    k: integer('of an sae: features of a token that stay; 16 when left out', { min: 1 }),
    passes: integer('of an sae: how often the texts are read; 2 when left out', { min: 1 }),
    lr: decimal('of an sae: the learning rate; 0.001 when left out', { min: 1e-8 }),
    seed: integer('of an sae: the seed of its parts, beginning and order; 0 when left out', { min: 0 }),
  },
  examples: [
    'read fit --kind jacobian --model stories5m --skip 1 --to lens.safetensors',
    'read fit --kind tuned --model stories5m --skip 1 --to lens.safetensors --json',
    'read fit --kind sae --model stories5m --tap blocks.1.out --k 4 --to sae --json',
  ],

  async action({ kind, model: name, prompts, to, skip, tap, features, k, passes, lr, seed }, screen, signal) {
    const ofSae = { tap, features, k, passes, lr, seed }
    const strange = Object.entries(ofSae).find(([, value]) => value !== undefined)
    if (kind !== 'sae' && strange)
      throw new UserError(`read fit --${strange[0]}: must be left out of a ${kind} lens, got ${strange[1]}; it belongs to --kind sae`)
    if (kind === 'sae' && ofSae.tap === undefined)
      throw new UserError('read fit --tap: must be given for an sae, got none; say for example --tap blocks.1.out')
    const model = await openModel(name, { onProgress: screen.note })
    try {
      const left = skip ?? (kind === 'sae' ? 1 : 16)
      const texts = await readTextFile(prompts, model, { least: left + { tuned: 1, jacobian: 2, sae: 1 }[kind] })
      await (kind === 'sae' ? fitOne : fitLens)(model, texts, { ...ofSae, tap: ofSae.tap!, kind: kind as 'tuned', skip: left, to }, screen, signal) // biome-ignore format: one line
    } finally {
      await model.close()
    }
  },
})

interface Fitting {
  readonly kind: 'tuned' | 'jacobian'
  readonly tap: string
  readonly skip: number
  readonly to: string
  readonly features?: number | undefined
  readonly k?: number | undefined
  readonly passes?: number | undefined
  readonly lr?: number | undefined
  readonly seed?: number | undefined
}

function progress(screen: Screen) {
  let bar: ReturnType<typeof screen.progress> | undefined
  return { advance: (_: number, of: number) => (bar ??= screen.progress('fitting', of)).advance(), done: () => bar?.done() }
}

async function fitLens(model: Model, texts: readonly ReadText[], { kind, skip, to }: Fitting, screen: Screen, signal: AbortSignal) {
  const { advance, done } = progress(screen)
  const fitted =
    kind === 'jacobian'
      ? { lens: await fitJacobian(model, texts, { skip, signal, onText: advance }) }
      : await fitTuned(model, texts, { skip, signal, onStep: advance })
  done()
  await saveLens(to, fitted.lens, model.config)
  const tokens = texts.reduce((sum, { ids }) => sum + ids.length, 0)
  screen.emit({ to, kind, texts: texts.length, tokens, ...('kl' in fitted ? { kl: fitted.kl } : {}) })
  screen.line(`a ${kind} lens of ${model.config.layers} blocks, fitted on ${texts.length} texts of ${tokens} tokens: ${to}`)
  if ('kl' in fitted)
    screen.table([
      ['block', 'KL to the model’s output, nats a token: logit lens', 'tuned'],
      ...fitted.kl.map(({ logit, tuned }, layer) => [String(layer), logit.toFixed(3), tuned.toFixed(3)]),
    ])
}

async function fitOne(model: Model, texts: readonly ReadText[], { to, tap, skip, ...given }: Fitting, screen: Screen, signal: AbortSignal) {
  const { advance, done } = progress(screen)
  const { features, k = 16, passes = 2, lr = 1e-3, seed = 0 } = given
  const fitted = await fitSae(model, texts, { tap, skip, k, passes, lr, seed, ...(features ? { features } : {}), signal, onStep: advance })
  done()
  const { autoencoder, heldOut, controls, ...rest } = fitted
  const hook = hookOf(tap)
  await saveSae(to, autoencoder, { model: model.name, ...(hook ? { hook } : {}) })
  const count = autoencoder.params.b_enc.shape[0]!
  screen.emit({ to, kind: 'sae', tap, features: count, k, ...rest, ...heldOut, controls })
  screen.line(`${count} features, ${k} a token, of ${tap}, fitted on ${rest.texts[0]} texts of ${rest.tokens} tokens: ${to}`)
  screen.line()
  const row = (what: string, { varianceExplained: v, l0, dead }: Quality) => [what, v.estimate.toFixed(3), `[${v.low.toFixed(3)}, ${v.high.toFixed(3)}]`, l0.estimate.toFixed(1), String(dead)] // biome-ignore format: one line
  screen.table([
    [`on ${rest.texts[1]} texts held out`, 'variance explained', '', 'L0', 'never used'],
    row('the autoencoder', heldOut),
    row('before training', controls.untrained),
    row(`${k} principal components`, controls.components),
    row('the same on random weights', controls.reinitialised),
  ])
}
