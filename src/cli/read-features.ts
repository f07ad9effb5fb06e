import { UserError } from '../graph/errors.ts'
import { openModel } from '../policy/index.ts'
import { type FeatureUse, featuresPage, loadSae, readTextFile, saeFeatures, tapOfHook } from '../whitebox/index.ts'
import { command, integer, required, text } from './command.ts'
import { reportFlag, writeReportPage } from './report-flag.ts'

/** Shows what the features of a sparse autoencoder are used for; the reading is in src/whitebox. */
export const readFeatures = command({
  name: 'read features',
  about: 'Show the features of a sparse autoencoder: how often each is used, and the texts and tokens where it is strongest.',
  flags: {
    model: text('model by name or folder', { default: 'stories5m', shown: 'M' }),
    sae: required(text('folder of the autoencoder, as read fit or SAELens writes it', { shown: 'FOLDER' })),
    prompts: text('JSONL file of texts: prompt, text or prompt_ids', { default: 'prompts.jsonl', shown: 'FILE' }),
    tap: text('tap to read, where the folder does not say', { shown: 'T' }),
    top: integer('texts of each feature', { default: 5, min: 1, max: 100 }),
    feature: text('only these, by number, with commas', { shown: 'F,F' }),
    skip: integer('tokens at the beginning of each text that are left out', { default: 1, unit: 'tokens', min: 0 }),
    ...reportFlag,
  },
  examples: [
    'read features --model stories5m --sae sae --top 3',
    'read features --model stories5m --sae sae --feature 0,7 --json --report features.html',
  ],

  async action({ model: name, sae, prompts, tap: given, top, feature, skip, report }, screen, signal) {
    const { autoencoder, place } = await loadSae(sae)
    const count = autoencoder.params.b_enc.shape[0]!
    const only = feature === undefined ? undefined : chosen(feature, count)
    const tap = given ?? (place.hook === undefined ? undefined : tapOfHook(place.hook))
    if (tap === undefined)
      throw new UserError(
        `read features --tap: must be given where ${sae} does not name a tap, got ${place.hook === undefined ? 'no place' : `the place ${place.hook}`}; say for example --tap blocks.1.out`,
      )
    const model = await openModel(name, { onProgress: screen.note })
    try {
      const texts = await readTextFile(prompts, model, { least: skip + 1 })
      let bar: ReturnType<typeof screen.progress> | undefined
      const onText = (_: number, of: number) => (bar ??= screen.progress('reading', of)).advance()
      const { features, quality } = await saeFeatures(model, autoencoder, texts, { tap, skip, top, signal, onText })
      bar?.done()
      const listed = only ? only.map((f) => features[f]!) : features
      for (const one of listed) screen.emit(one)
      screen.emit({ tap, texts: texts.length, ...quality })
      const { varianceExplained: v, l0, dead, tokens } = quality
      screen.line(
        `${tap}: ${v.estimate.toFixed(2)} [${v.low.toFixed(2)}, ${v.high.toFixed(2)}] of the variance from ${l0.estimate.toFixed(1)} features a token; ${dead} of ${count} never used on ${tokens} tokens`,
      )
      const shown = only ? listed : listed.filter(({ max }) => max > 0).toSorted((a, b) => b.weight - a.weight)
      for (const one of shown.slice(0, only ? undefined : 12)) show(one, screen.line)
      if (!only && shown.length > 12) screen.line(`\nand ${shown.length - 12} more; --feature shows any, --report ${40} of them on a page`)
      await writeReportPage(report, screen, () => featuresPage({ model: model.name, tap, texts: texts.length }, listed, quality))
    } finally {
      await model.close()
    }
  },
})

function show({ feature, frequency, top }: FeatureUse, line: (words?: string) => void): void {
  line(`\nfeature ${feature}, on ${(100 * frequency.estimate).toFixed(2)} % of tokens`)
  const flat = (words: string) => words.replace(/\s+/g, ' ')
  for (const { before, token, after, activation } of top)
    line(`  ${activation.toFixed(2).padStart(6)}  ${flat(before).slice(-28).padStart(28)}[${flat(token)}]${flat(after).slice(0, 28)}`)
}

function chosen(given: string, count: number): number[] {
  return given.split(',').map((one) => {
    const f = Number(one.trim() || Number.NaN)
    if (!Number.isInteger(f) || f < 0 || f >= count)
      throw new UserError(`read features --feature: must be numbers from 0 to ${count - 1} with commas between, got ${JSON.stringify(one)}; write for example 0,7`) // biome-ignore format: one line
    return f
  })
}
