import { basename } from 'node:path'
import { writeEdit } from '../checkpoints/index.ts'
import type { Model } from '../policy/index.ts'
import type { Estimate } from '../runs/index.ts'
import { type LorraOptions, lorra, type SteerRow } from '../whitebox/index.ts'
import type { Screen } from './screen.ts'

/** Trains low-rank weights towards the dose that was chosen, prints what they do, and writes them as an edit. */
export async function steerByLorra(
  model: Model,
  [positive, negative]: readonly [readonly SteerRow[], readonly SteerRow[]],
  options: LorraOptions,
  to: string,
  screen: Screen,
): Promise<void> {
  const bar = screen.progress('training', 4)
  const { lorra: trained, ...found } = await lorra(model, positive, negative, { ...options, onDone: () => bar.advance() })
  bar.done()
  try {
    screen.emit({ method: 'lorra', ...found })
    const { effect, coherence, controls, steers, loss, layer, strength } = found
    screen.table([
      [`low-rank weights towards ${strength} at block ${layer}`, 'effect', ''],
      ...Object.entries({
        'the direction': effect,
        'a random direction': controls.random,
        'shuffled labels': controls.shuffled,
        'the other way round': controls.flipped,
      }).map(([name, one]) => [name, one.estimate.toFixed(3), between(one)]),
    ])
    screen.note(`loss ${loss[0].toFixed(2)} → ${loss[1].toFixed(2)} of the distance; perplexity of unrelated text ${coherence.before.toFixed(1)} → ${coherence.perplexity.toFixed(1)}`) // biome-ignore format: one line
    if (!steers) screen.warn(effect.cannotTell ?? 'a random direction or shuffled labels do nearly as much: that this steers is not shown')
    const { rank, steps, pool, seed } = options
    const edit = await trained.edit(basename(to).replace(/\.safetensors$/, ''), {
      about: `low-rank weights that move what block ${layer} writes by ${strength} times a direction`,
      made: { by: 'edit steer', model: model.name, method: 'lorra', rank, steps, pool, seed, rows: found.rows },
      measured: [found],
    })
    await writeEdit(to, edit)
    screen.line(`${to}  block ${layer}, strength ${strength}; try it: innate complete ${model.name} --edit ${to}`)
  } finally {
    await trained.close()
  }
}

function between({ low, high }: Estimate): string {
  return `[${low.toFixed(3)}, ${high.toFixed(3)}]`
}
