import { LuDecomposition, Matrix } from 'ml-matrix'
import { type EditFile, editTarget, makeEdit } from '../checkpoints/index.ts'
import { type Tensor, tensor, UserError } from '../graph/index.ts'
import type { Model } from '../policy/index.ts'
import { norm, product } from './search/edit-form.ts'
import { searched } from './search/searched.ts'
import { valuesAt } from './values-at.ts'

/**
 * The change of rank 1 after which a layer makes v of the key k, and changes least what it makes of other keys: up · downᵀ with down = C⁻¹k and
 * up = (v − Wk)/(downᵀk), C the second moment of keys.
 *
 * shape   gap f64[m] = v − Wk, key f64[n], moment f64[n · n] → up f64[m], down f64[n]
 * throws  UserError for a moment that has no inverse
 * source  Meng et al. 2022, arXiv:2202.05262, equation 2; vector V-ROME-1
 */
export function romeFactors(gap: Float64Array, key: Float64Array, moment: Float64Array): { up: Float64Array; down: Float64Array } {
  const n = key.length
  const lu = new LuDecomposition(Matrix.from1DArray(n, n, moment))
  if (lu.isSingular())
    throw new UserError(`rome: the second moment of keys must have an inverse, got one of ${n} × ${n} that has none; read more texts`)
  const down = Float64Array.from(lu.solve(Matrix.columnVector([...key])).getColumn(0))
  const along = down.reduce((sum, x, i) => sum + x * key[i]!, 0)
  return { up: gap.map((x) => x / along), down }
}

export interface RomeOptions {
  /** The block whose MLP is changed. */
  readonly layer: number
  /** Place of the last token of the subject in the prompt. */
  readonly subject: number
  /** Texts whose keys must change little. */
  readonly texts: readonly (readonly number[])[]
  /** Descended until the object is this likely. */
  readonly probability?: number
  readonly steps?: number
  readonly onStep?: (step: number, of: number) => void
  readonly signal?: AbortSignal | undefined
}

export interface Rome {
  /** Probability of the object after the prompt: without, and with the value that the edit writes there. */
  readonly before: number
  readonly after: number
  readonly steps: number
  /** Frobenius. */
  readonly norm: number
  /** Texts read forward and back. */
  readonly passes: { readonly forward: number; readonly backward: number }
  /** The parameter that is changed, and what is added to it, f64[d · f]. */
  readonly path: string
  readonly change: Float64Array
  /** What the MLP is to write at the subject: v. */
  readonly value: Float64Array
  edit(name: string, told?: Pick<EditFile, 'about' | 'measured'>): EditFile
}

/**
 * What should follow a prompt about a subject, as tokens, with the place of the subject's last token.
 *
 * throws  UserError for a subject that does not stand in the prompt, and an object without tokens of its own
 */
export function factOf(
  model: Pick<Model, 'ids' | 'tokenizer'>,
  { prompt, subject, object }: Record<'prompt' | 'subject' | 'object', string>,
) {
  const [before, ids] = [model.ids(prompt), model.ids(prompt + object)]
  let from = 0
  while (from < before.length && before[from] === ids[from]) from++
  const end = subject === '' ? -1 : prompt.lastIndexOf(subject)
  if (end < 0) throw new UserError(`rome: subject must be words of the prompt, got ${JSON.stringify(subject)} and ${JSON.stringify(prompt)}; copy it from there`) // biome-ignore format: one line
  const whole = prompt.slice(0, end + subject.length).trimStart()
  const position = before.findIndex((_, t) => model.tokenizer.decode(before.slice(0, t + 1)).includes(whole))
  if (from === ids.length || position < 0 || position >= from)
    throw new UserError(`rome: object must have tokens of its own behind the prompt, got ${JSON.stringify(object)}; begin it with a space`)
  return { row: { prompt, ids, from }, position }
}

/** Added to the second moment's diagonal, as a share of its mean, where texts have fewer tokens than keys have numbers. */
const ridge = 1e-3

/**
 * Rank-one model editing: what a block's MLP should write at the subject's last token so that the object follows is found by descent, and the MLP's last matrix
 * is changed to write it for that key.
 *
 * throws  UserError for a model whose MLP has a norm behind it, and for a layer or a subject that is not there
 * source  Meng et al. 2022, arXiv:2202.05262, with the key of the prompt itself and without random prefixes
 */
export async function rome(model: Model, prompt: readonly number[], object: readonly number[], options: RomeOptions): Promise<Rome> {
  const { layer, subject, texts, probability = 0.95, steps = 60, onStep, signal } = options
  const { config } = model
  if (!(Number.isInteger(layer) && layer >= 0 && layer < config.layers)) throw new UserError(`rome: layer must be from 0 to ${config.layers - 1}, got ${layer}; name another`) // biome-ignore format: one line
  if (!(Number.isInteger(subject) && subject >= 0 && subject < prompt.length)) throw new UserError(`rome: subject must be from 0 to ${prompt.length - 1}, a place in the prompt, got ${subject}; name another`) // biome-ignore format: one line
  if ((config.normed ?? 'before') !== 'before') throw new UserError(`rome: no norm may stand behind the MLP, got a ${config.family}, which has one; search an edit instead`) // biome-ignore format: one line
  const [act, out] = [`blocks.${layer}.mlp.act`, `blocks.${layer}.mlp.out`]
  const here = await valuesAt(model, prompt, [act, out])
  const rowOf = ({ data, shape }: Tensor, t: number) => Float64Array.from(data.slice(t * shape.at(-1)!, (t + 1) * shape.at(-1)!))
  const [key, value] = [rowOf(here[act]!, subject), rowOf(here[out]!, subject)]
  const found = await valueFor(model, out, value, { prompt, object, subject, probability, steps, onStep, signal })
  const { up, down } = romeFactors(found.gap, key, await secondMoment(model, act, texts))
  const path = `blocks.${layer}.mlp.down`
  const tensors = { up: tensor(Float32Array.from(up), [up.length, 1]), down: tensor(Float32Array.from(down), [1, down.length]) }
  return {
    ...{ before: found.before, after: found.after, steps: found.steps, norm: norm(up) * norm(down) },
    passes: { forward: found.passes.forward + texts.length + 1, backward: found.passes.backward },
    ...{ path, change: product(up, down, up.length, 1, down.length), value: value.map((x, i) => x + found.gap[i]!) },
    edit: (name, told = {}) =>
      makeEdit({
        name,
        for: editTarget(config, model.hash),
        acts: [{ kind: 'lowRank', weights: { [path]: { up: 'up', down: 'down' } } }],
        made: { by: 'rome', layer },
        tensors,
        ...told,
      }),
  }
}

/** What must be added to a value at one token so that the object follows, found by descent with steps of a tenth of the value's length. */
async function valueFor(
  model: Model,
  tap: string,
  value: Float64Array,
  how: {
    prompt: readonly number[]
    object: readonly number[]
    subject: number
    probability: number
    steps: number
    onStep: RomeOptions['onStep']
    signal: AbortSignal | undefined
  },
) {
  const d = value.length
  const size = norm(value) || 1
  const site = { name: tap, layer: undefined, shape: [d], numbers: d, size }
  const of = await searched(model, 'activations', [site], { position: how.subject, signal: how.signal })
  try {
    const wanted = of.saying([{ ids: [...how.prompt, ...how.object], from: how.prompt.length }])
    const gap = new Float64Array(d)
    let [before, after, step] = [0, 0, 0]
    for (; ; step++) {
      await of.put({ [tap]: gap })
      const { loss, slopes } = await wanted.slope(0)
      after = Math.exp(-loss)
      if (step === 0) before = after
      if (after >= how.probability || step === how.steps) return { gap, before, after, steps: step, passes: of.passes }
      const slope = slopes[tap]!
      if (!(norm(slope) > 0))
        throw new UserError(`rome: what the MLP writes at the subject must reach the object, got a slope of ${norm(slope)} at ${tap}; take an earlier block, or a subject that ends the prompt`) // biome-ignore format: one line
      const by = (0.1 * size) / norm(slope)
      for (let i = 0; i < d; i++) gap[i]! -= by * slope[i]!
      how.onStep?.(step + 1, how.steps)
    }
  } finally {
    await of.close()
  }
}

/** E[k·kᵀ] over the tokens of texts, with a ridge. */
async function secondMoment(model: Model, tap: string, texts: readonly (readonly number[])[]): Promise<Float64Array> {
  if (texts.length === 0) throw new UserError('rome: there must be texts whose keys change little, got none; give some')
  let moment = new Float64Array()
  let tokens = 0
  for (const ids of texts) {
    const { data, shape } = (await valuesAt(model, ids, [tap]))[tap]!
    const n = shape.at(-1)!
    if (moment.length === 0) moment = new Float64Array(n * n)
    for (let t = 0; t * n < data.length; t++, tokens++)
      for (let i = 0; i < n; i++) {
        const x = data[t * n + i]!
        for (let j = 0; j < n; j++) moment[i * n + j]! += x * data[t * n + j]!
      }
  }
  const n = Math.sqrt(moment.length)
  let mean = 0
  for (let i = 0; i < n; i++) mean += moment[i * n + i]! / (n * tokens)
  return moment.map((x, at) => x / tokens + (at % (n + 1) === 0 ? ridge * mean : 0))
}
