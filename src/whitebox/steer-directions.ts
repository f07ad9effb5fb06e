import { maximum, reshape } from '../graph/index.ts'
import { type Model, over, type See, type Tree } from '../policy/index.ts'
import { type Activations, activationsOf } from './activations.ts'
import { differenceOfMeans, principalComponents } from './directions.ts'

/** How a direction is found from the activations of two sides. */
export type SteerMethod = 'caa' | 'lat'

/** Which tokens stand for a row: the last one, or the mean of all that are scored. */
export type SteerPool = 'last' | 'mean'

/** The activation of each row at the end of each block, in the order of the rows. */
export async function rowActivations(
  { policy, config }: Pick<Model, 'policy' | 'config'>,
  trees: readonly Tree[],
  { pool = 'mean', signal }: { readonly pool?: SteerPool; readonly signal?: AbortSignal | undefined } = {},
): Promise<Activations[]> {
  // A completion's last token is only read where another stands behind it; any will do.
  const read = trees.map(({ prompt, completions: [said = []] }): Tree => {
    if (pool === 'mean') return { prompt, completions: [[...said, 0]] }
    return { prompt: [...prompt, ...said.slice(0, -1)], completions: [[...said.slice(-1), 0]] }
  })
  const see = seeing.get(config.layers) ?? pooled(config.layers)
  seeing.set(config.layers, see)
  const found = await over(policy, read, see, { per: 'tree', ...(signal ? { signal } : {}) })
  return Array.from({ length: config.layers }, (_, l) => activationsOf(found[`blocks.${l}.out`]!))
}
const seeing = new Map<number, See>()

function pooled(layers: number): See {
  return function steer({ tap, perTree, completion }) {
    const [R, T] = completion.shape as [number, number]
    const here = reshape(completion, [R, T, 1])
    const count = perTree(here)
    return Object.fromEntries(
      Array.from({ length: layers }, (_, l) => {
        const name = `blocks.${l}.out`
        return [name, perTree(tap(name).mul(here)).div(maximum(count, 1))]
      }),
    )
  }
}

/**
 * The direction from the negative to the positive side. `caa`: the difference of the means. `lat`: the first principal component of the
 * differences of pairs, or of rows around the mean of both sides where there are none, as long as the difference of means lies along it, which
 * also says which way it points.
 *
 * source  Panickssery et al. 2023, arXiv:2312.06681 (CAA); Zou et al. 2023, arXiv:2310.01405 (LAT)
 */
export function steerDirection(method: SteerMethod, positive: Activations, negative: Activations, paired: boolean): Float64Array {
  const both = joined(positive, negative)
  const labels = [...new Array<number>(positive.n).fill(1), ...new Array<number>(negative.n).fill(0)]
  const means = differenceOfMeans(both, labels)
  if (method === 'caa') return means
  const rows = paired ? alternating(positive, negative) : both
  const [first] = principalComponents(rows, 1).directions as [Float64Array]
  const along = first.reduce((sum, x, i) => sum + x * means[i]!, 0)
  return first.map((x) => x * along)
}

/** Differences of pairs, every second one the other way round, so that their mean is near 0 and the component is that of the differences. */
function alternating(a: Activations, b: Activations): Activations {
  const data = a.data.map((x, i) => (Math.floor(i / a.d) % 2 === 0 ? 1 : -1) * (x - b.data[i]!))
  return { n: a.n, d: a.d, data }
}

function joined(a: Activations, b: Activations): Activations {
  const data = new Float64Array(a.data.length + b.data.length)
  data.set(a.data)
  data.set(b.data, a.data.length)
  return { n: a.n + b.n, d: a.d, data }
}
