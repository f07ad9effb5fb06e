import { meanInterval } from '../accept/index.ts'
import { driftOf } from '../policy/drift.ts'
import type { Recipe } from '../recipe/recipe.ts'
import { type MeasureRow, type Run, type Shown, tableFile } from '../runs/index.ts'
import { type Models, readBy } from './open-models.ts'
import { begin, type Watch } from './watch.ts'

/** The parts of a block whose drift is read, by the last part of their taps. */
const parts = { 'attn.out': 'attention adds', 'mlp.out': 'MLP adds', out: 'residual stream' } as const

/** How many texts are read at most, and how many numbers are held of each model. */
const [most, numbers] = [32, 2 ** 24]
/** The same where every text costs that all weights are read once more. */
const mostStreamed = 4

/**
 * Reads both models inside, once training is done, and puts what is found into the run's folder: how far each part of each block moved, and what
 * the recipe's own readings say.
 */
export async function keepInside(
  run: Run,
  recipe: Recipe,
  models: Models,
  texts: readonly (readonly number[])[],
  watch: Watch,
): Promise<void> {
  if (recipe.inside === false) return
  const { signal } = models
  const readings = recipe.inside ?? []
  const bar = begin(watch, 'reading inside', 1 + readings.length)
  const drift = await driftTable(models, texts)
  if (drift) await run.write(tableFile('inside-0-drift'), drift)
  bar.advance()
  for (const [i, reading] of readings.entries()) {
    signal?.throwIfAborted()
    const shown = await reading.read({
      before: readBy(models),
      after: { policy: models.lookPolicy, checkpoint: models.checkpoint },
      ...(signal ? { signal } : {}),
    })
    for (const [k, table] of shown.entries()) await run.write(tableFile(`inside-${i + 1}-${k + 1}`), { ...table, section: 'inside' })
    bar.advance()
  }
  bar.done()
}

/** Drift by block and part, with what moved most; nothing where there is no text. */
async function driftTable(models: Models, texts: readonly (readonly number[])[]): Promise<Shown | undefined> {
  const { referencePolicy, lookPolicy, checkpoint, signal } = models
  const { layers, hiddenSize, contextLength } = checkpoint.config
  const room = Math.max(contextLength, Math.floor(numbers / (layers * hiddenSize * Object.keys(parts).length)))
  let tokens = 0
  const fitting = texts.filter(({ length }) => length > 0 && length <= contextLength && (tokens += length) <= room)
  const read = fitting.slice(0, referencePolicy.streamed ? mostStreamed : most)
  if (read.length < 2) return undefined
  const named = Array.from({ length: layers }, (_, block) =>
    Object.entries(parts).map(([tap, part]) => ({ tap: `blocks.${block}.${tap}`, block, part })),
  )
  const drift = await driftOf(
    referencePolicy,
    lookPolicy,
    read,
    named.flat().map(({ tap }) => tap),
    signal ? { signal } : {},
  )
  const rows = named
    .flat()
    .map(({ tap, block, part }): MeasureRow => ({ ...meanInterval(tap, drift[tap]!, 'share'), name: tap, group: { block, part } }))
  const { name, estimate, low, high } = rows.reduce((largest, row) => (row.estimate > largest.estimate ? row : largest))
  const percent = (share: number) => `${(100 * share).toPrecision(2)} %`
  const about = `mean over tokens of how far the trained model is from the reference, as a share of the value’s length, over ${read.length} texts; ${name} moved most, by ${percent(estimate)} [${percent(low)}, ${percent(high)}]`
  return { table: { about, rows }, as: 'heatmap', axes: { title: 'Drift', unit: 'share', x: 'block', y: 'part' }, section: 'inside' }
}
