import { mergeModels } from '../whitebox/index.ts'
import { command, integer, text } from './command.ts'

/** Makes one model of several by arithmetic on their weights. */
export const merge = command({
  name: 'merge',
  about: 'Make one model of several by arithmetic on their weights, as a configuration of mergekit says.',
  args: { config: text('YAML file: merge_method, and models or slices'), out: text('new folder') },
  flags: {
    seed: integer('seed of what is drawn, in dare and della', { default: 0, min: 0 }),
    maxShard: integer('largest file of safetensors', { default: 5000, unit: 'megabytes', min: 1 }),
  },
  examples: ['merge merge.yml merged', 'merge merge.yml merged-1 --seed 1 --max-shard 1000 --json'],

  async action({ config, out, seed, maxShard }, screen, signal) {
    const start = performance.now()
    let bar: ReturnType<typeof screen.progress> | undefined
    const merged = await mergeModels(config, out, {
      ...{ seed, signal, note: screen.note, maxShardBytes: maxShard * 1e6 },
      onTensor: (_, of) => (bar ??= screen.progress('merging', of)).advance(),
    })
    bar?.done()
    const seconds = (performance.now() - start) / 1000
    screen.emit({ out, ...merged, seconds: Number(seconds.toFixed(2)) })
    const { method, models, layers, parameters, dtype } = merged
    screen.line(
      `${out}  ${method} of ${models.join(', ')}: ${layers} layers, ${parameters.toLocaleString('en-US')} parameters in ${dtype}, ${seconds.toFixed(1)} s`,
    )
  },
})
