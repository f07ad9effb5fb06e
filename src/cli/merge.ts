import { type MergeLoss, mergedVectors, mergeLosses, mergeModels, mergePage } from '../whitebox/index.ts'
import { command, integer, text } from './command.ts'
import { reportFlag, writeReportPage } from './report-flag.ts'
import { untold } from './untold.ts'

/** Makes one model of several by arithmetic on their weights. */
export const merge = command({
  name: 'merge',
  about: 'Make one model of several by arithmetic on their weights, as a configuration of mergekit says.',
  args: { config: text('YAML file: merge_method, and models or slices'), out: text('new folder') },
  flags: {
    seed: integer('seed of what is drawn, in dare and della', { default: 0, min: 0 }),
    texts: text('JSONL file: text, prompt or prompt_ids, two rows or more; says what each model and the result lose there', {
      shown: 'FILE',
    }),
    ...reportFlag,
    maxShard: integer('largest file of safetensors', { default: 5000, unit: 'megabytes', min: 1 }),
  },
  examples: ['merge merge.yml merged', 'merge merge.yml merged-1 --texts rows.jsonl --report merge.html --json'],

  async action({ config, out, seed, maxShard, texts, report }, screen, signal) {
    const start = performance.now()
    let bar: ReturnType<typeof screen.progress> | undefined
    const vectors = mergedVectors()
    let folders: readonly { name: string; folder: string }[] = []
    const merged = await mergeModels(config, out, {
      ...{ seed, signal, note: screen.note, maxShardBytes: maxShard * 1e6 },
      ...(report === undefined ? {} : { see: vectors.see }),
      folders: (all) => void (folders = all),
      onTensor: (_, of) => (bar ??= screen.progress('merging', of)).advance(),
    })
    bar?.done()
    const seconds = (performance.now() - start) / 1000
    const losses = texts === undefined ? [] : await mergeLosses(texts, [...folders, { name: 'result', folder: out }], { signal })
    const told = losses.map(({ model, loss }) => ({ model, loss: loss.estimate, interval: [loss.low, loss.high], ...untold({ loss }) }))
    screen.emit({ out, ...merged, seconds: Number(seconds.toFixed(2)), ...(texts === undefined ? {} : { losses: told }) })
    const { method, models, layers, parameters, dtype } = merged
    screen.line(
      `${out}  ${method} of ${models.join(', ')}: ${layers} layers, ${parameters.toLocaleString('en-US')} parameters in ${dtype}, ${seconds.toFixed(1)} s`,
    )
    if (losses.length > 0) screen.table([['', 'loss, nats per token', ''], ...losses.map(lossRow)])
    await writeReportPage(report, screen, () => mergePage(merged, vectors.done(), losses))
  },
})

function lossRow({ model, loss }: MergeLoss): string[] {
  return [model, loss.estimate.toFixed(3), `[${loss.low.toFixed(3)}, ${loss.high.toFixed(3)}]`]
}
