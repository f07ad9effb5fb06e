import { gradient, linear, matmul, reshape, sum, type Tensor, tensor, type Value } from '../graph/index.ts'
import type { DecoderConfig } from '../models/index.ts'
import { over, type Policy, type See } from '../policy/index.ts'
import { random } from '../random/index.ts'
import type { Features } from './end-features.ts'

/** Where a block is read and written: a change of weights there is x + C·x at one of these. */
const places = ['attn.in', 'attn.out', 'mlp.in', 'mlp.out']
/** A slope of C, d × d, becomes P·slope·Qᵀ, side × side. */
const side = 20

/**
 * How the score of each text moves with the weights of the whole network: with x + C·x in the place of what attention and MLP of each block read and
 * write, which is a change of the weights before or after, the slope of the score by every C, in 400 random projections. Products of two texts are
 * those of the whole slopes on average.
 *
 * shape   one row of 400 numbers a text
 * units   of the score
 * throws  UserError as over
 * limits  a text of one token has a row of zeros; a way back for each text, beside the work of scoring it
 * source  Yang et al. 2023, arXiv:2308.13111 (Laplace-LoRA); projections: Park et al. 2023, arXiv:2303.14186, section 3
 */
export async function tangentFeatures(
  policy: Policy,
  texts: readonly (readonly number[])[],
  options: { readonly signal?: AbortSignal | undefined; readonly onBatch?: (done: number, of: number) => void } = {},
): Promise<Features> {
  const { signal, onBatch } = options
  const { see, feeds } = sketchOf(policy.config)
  const read = texts.flatMap((ids, i) => (ids.length > 1 ? [i] : []))
  // The last token is the completion's only one that is read, so that it is told apart from the others.
  const trees = read.map((i) => ({ prompt: texts[i]!.slice(0, -1), completions: [[texts[i]!.at(-1)!, texts[i]![0]!]] }))
  const { sketch } = await over(policy, trees, see, {
    ...{ per: 'tree', feeds: () => feeds },
    ...(signal ? { signal } : {}),
    ...(onBatch ? { onBatch } : {}),
  })
  const width = side * side
  const data = new Float32Array(texts.length * width)
  for (const [from, to] of read.entries()) data.set((sketch!.data as Float32Array).subarray(from * width, (from + 1) * width), to * width)
  return { count: texts.length, width, data }
}

/** The projections of a place, which belong to its name. shape [side, d] */
export function projections(place: string, width: number): { readonly slope: Tensor; readonly read: Tensor } {
  const of = (which: string) =>
    tensor(
      Float32Array.from(random(0, `tangent/${which}/${place}`).normals(side * width), (x) => x / Math.sqrt(side)),
      [side, width],
    )
  return { slope: of('slope'), read: of('read') }
}

/** The taps whose slopes are taken. */
export function tangentPlaces({ layers }: Pick<DecoderConfig, 'layers'>): string[] {
  return Array.from({ length: layers }, (_, i) => places.map((place) => `blocks.${i}.${place}`)).flat()
}

interface Sketch {
  readonly see: See
  readonly feeds: Readonly<Record<string, Tensor>>
}

/** One for each config, since programs are kept by the function that they are traced from. */
function sketchOf(config: DecoderConfig): Sketch {
  const known = sketches.get(config) ?? makeSketch(config)
  sketches.set(config, known)
  return known
}
const sketches = new WeakMap<DecoderConfig, Sketch>()

function makeSketch(config: DecoderConfig): Sketch {
  const d = config.hiddenSize
  const names = tangentPlaces(config)
  const feeds = Object.fromEntries(
    names.flatMap((name) => {
      const { slope, read } = projections(name, d)
      return [[`slope.${name}`, slope] as const, [`read.${name}`, read] as const]
    }),
  )
  const tangents: See = ({ tap, completion, params, input, perTree }) => {
    const [rows, length] = completion.shape as [number, number]
    const atEnds = tap('final').mul(reshape(completion, [rows, length, 1]))
    const taps = Object.fromEntries(names.map((name) => [name, tap(name)]))
    const slopes = gradient(sum(linear(atEnds, params.score!)), taps)
    const sketches = names.map((name) => {
      const slope = linear(slopes[name]!, input(`slope.${name}`, [side, d]))
      const read = linear(taps[name]!, input(`read.${name}`, [side, d]))
      return matmul(reshape(slope, [rows, length, side, 1]), reshape(read, [rows, length, 1, side]))
    })
    const all = sketches.reduce((a: Value, b) => a.add(b))
    return { sketch: perTree(reshape(all, [rows, length, side * side])) }
  }
  return { see: tangents, feeds }
}
