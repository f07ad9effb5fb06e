import { meanInterval } from '../accept/index.ts'
import { UserError } from '../graph/errors.ts'
import type { Tensor } from '../graph/index.ts'
import { type Random, random, seedFor } from '../random/index.ts'
import type { Estimate } from '../runs/index.ts'
import { type Activations, activationsOf, picked } from './activations.ts'
import { controlLabels } from './control-task.ts'
import { classesOf, type Linear, scoresOf } from './linear.ts'
import type { TextParts } from './parts.ts'
import { onNeurons, type ProbeKind, type ProbeSettings, probeKinds } from './probe-kinds.ts'
import { rocArea } from './roc-area.ts'

export interface ProbeTask {
  readonly labels: readonly number[]
  readonly classes: number
  readonly parts: TextParts
  /** What control labels are drawn for (see typesOf). */
  readonly types: readonly string[]
}

export interface ProbeOptions extends ProbeSettings {
  readonly kind?: ProbeKind
  readonly seed?: number
  /** Control tasks drawn; what is reported is their mean. Default 3. */
  readonly draws?: number
}

/** What a probe reads on texts that it was not fitted on. */
export interface ProbeReading {
  readonly probe: Linear
  readonly accuracy: Estimate
  /** The accuracy of probes fitted to control tasks. */
  readonly control: Estimate
  /** accuracy − control, text by text. */
  readonly selectivity: Estimate
  /** Of a k-sparse probe: areas under the ROC of it, of random neurons, and of shuffled labels. */
  readonly areas?: { readonly chosen: Estimate; readonly random: Estimate; readonly shuffled: Estimate }
}

/**
 * Fits a probe to one vector for each text, and says what it reads on texts held out, beside control tasks: the same fit with a random label for
 * each type of text.
 *
 * shape   x f32[texts, width]
 * throws  UserError when a k-sparse probe has more than two classes, or more neurons than there are
 * source  Alain and Bengio 2016, arXiv:1610.01644; Hewitt and Liang 2019, arXiv:1909.03368
 * limits  intervals are over groups of held-out near duplicates, for these probes: what other texts to fit on would give is not in them
 */
export function probe(x: Tensor, task: ProbeTask, options: ProbeOptions = {}): ProbeReading {
  const { kind = 'logistic', seed = 0, draws = 3 } = options
  const { labels, classes, parts } = task
  const all = activationsOf(x)
  if (kind === 'k-sparse') checkSparse(all.d, classes, options.k ?? 8)
  const fitted = probeKinds[kind](picked(all, parts.train), of(labels, parts.train), classes, options)
  const right = rightOf(fitted, all, labels, parts)
  const controls = Array.from({ length: draws }, (_, draw) => {
    const random = controlLabels(task.types, classes, seedFor(seed, `control/${draw}`))
    const train = of(random, parts.train)
    // Where the types of the training part all drew one label, nothing can be fitted, and saying that label is all there is to do.
    const reading =
      new Set(train).size < classes
        ? constantly(train[0]!, all.d, classes)
        : probeKinds[kind](picked(all, parts.train), train, classes, options)
    return rightOf(reading, all, random, parts)
  })
  const control = right.map((_, i) => controls.reduce((sum, one) => sum + one[i]!, 0) / draws)
  return {
    probe: fitted,
    accuracy: meanInterval('accuracy', right, 'share', [0, 1]),
    control: meanInterval('control', control, 'share', [0, 1]),
    selectivity: meanInterval(
      'selectivity',
      right.map((value, i) => value - control[i]!),
      'share',
      [-1, 1],
    ),
    ...(kind === 'k-sparse' ? { areas: areasOf(all, task, fitted, options) } : {}),
  }
}

function of<T>(all: readonly T[], places: readonly number[]): T[] {
  return places.map((i) => all[i]!)
}

/** How much of each held-out group is read right. */
export function rightOf(linear: Linear, x: Activations, labels: readonly number[], { heldOut }: TextParts): number[] {
  return heldOut.map((group) => {
    const said = classesOf(scoresOf(linear, picked(x, group)))
    return said.filter((label, i) => label === labels[group[i]!]).length / group.length
  })
}

function constantly(label: number, d: number, classes: number): Linear {
  const outputs = classes === 2 ? 1 : classes
  const bias = Array.from({ length: outputs }, (_, c) => (outputs === 1 ? 2 * label - 1 : Number(c === label)))
  return { weight: bias.map(() => new Float64Array(d)), bias }
}

/** How often random neurons and shuffled labels are drawn. */
const areaDraws = 20

/** Areas of the chosen neurons, of k random ones, and of neurons chosen and fitted on shuffled labels; the intervals of these two are over draws. */
function areasOf(x: Activations, { labels, parts }: ProbeTask, fitted: Linear, options: ProbeOptions): NonNullable<ProbeReading['areas']> {
  const { seed = 0, k = 8 } = options
  const rows = parts.heldOut.map(([first]) => first!)
  const [train, mine] = [picked(x, parts.train), of(labels, parts.train)]
  const area = (linear: Linear) =>
    rocArea(
      scoresOf(linear, picked(x, rows)).map(([score]) => score!),
      of(labels, rows),
    )
  const over = (name: string, draw: (source: Random) => Linear) => {
    const areas = Array.from({ length: areaDraws }, (_, i) => area(draw(random(seed, `probe/${name}/${i}`))).estimate)
    return meanInterval(`ROC area of ${name}`, areas, 'area', [0, 1])
  }
  const all = Array.from({ length: x.d }, (_, i) => i)
  return {
    chosen: area(fitted),
    random: over('random neurons', (source) => onNeurons(train, mine, source.shuffled(all).slice(0, k), options)),
    shuffled: over('shuffled labels', (source) => probeKinds['k-sparse'](train, source.shuffled(mine), 2, options)),
  }
}

function checkSparse(d: number, classes: number, k: number): void {
  if (classes !== 2) throw new UserError(`k-sparse: must have two classes, got ${classes}; take another kind of probe`)
  if (k > d) throw new UserError(`k-sparse: k must be at most the ${d} neurons of the tap, got ${k}; lower it`)
}
