import { type Tensor, tensor, UserError } from '../graph/index.ts'
import { tapOf, tapsNamed } from '../models/taps.ts'
import { type Model, over, reader } from '../policy/index.ts'
import { random } from '../random/index.ts'
import type { ReadText } from './text-file.ts'

/** What stands at a tap at the tokens of some texts. */
export interface TokenRows {
  /** Places of the texts among those that were given. */
  readonly texts: readonly number[]
  /** f32[tokens, d] of each, the first tokens left out. */
  readonly rows: readonly Tensor[]
}

export interface TokenRowsOptions {
  readonly tap: string
  /** Tokens at the beginning of each text that are left out. */
  readonly skip: number
  /** Texts in this order; as they are given when left out. */
  readonly order?: readonly number[]
  readonly signal?: AbortSignal
}

/** Tokens that are read at once. */
const chunk = 16_384

/**
 * One row for each token of texts, some texts at a time, so that memory does not grow with their number.
 *
 * throws  UserError for a tap that the model does not have, or that is not one vector for each token
 */
export async function* tokenRows(
  { policy, config }: Pick<Model, 'policy' | 'config'>,
  texts: readonly Pick<ReadText, 'ids'>[],
  { tap, skip, order = texts.map((_, i) => i), signal }: TokenRowsOptions,
): AsyncGenerator<TokenRows> {
  const names = tapsNamed('tap', tap, config)
  const wrong = names.length > 1 ? `${names.length} taps` : /^\[R, T, [df]\]$/.test(tapOf(names[0]!)!.shape) ? undefined : tapOf(names[0]!)!.shape // biome-ignore format: one line
  if (wrong) throw new UserError(`tap ${tap}: must be one tap with one vector for each token, got ${wrong}; take for example blocks.1.out`)
  for (let from = 0; from < order.length; ) {
    let [to, tokens] = [from, 0]
    while (to < order.length && (to === from || tokens + texts[order[to]!]!.ids.length <= chunk)) tokens += texts[order[to++]!]!.ids.length
    const here = order.slice(from, to)
    const trees = here.map((i) => ({ prompt: texts[i]!.ids, completions: [] }))
    const { [names[0]!]: found } = await over(policy, trees, reader(names), { per: 'token', ...(signal ? { signal } : {}) })
    const d = found!.shape[1]!
    let at = 0
    const rows = here.map((i) => {
      const start = at
      at += texts[i]!.ids.length
      const first = Math.min(at, start + skip)
      return tensor(Float32Array.from(found!.data.subarray(first * d, at * d)), [at - first, d])
    })
    yield { texts: here, rows }
    from = to
  }
}

/** Batches of as many rows each, in an order drawn by the seed; what is left over at the end of a pass is left out. */
export async function* rowBatches(
  model: Pick<Model, 'policy' | 'config'>,
  texts: readonly Pick<ReadText, 'ids'>[],
  { batch, passes, seed, ...options }: Omit<TokenRowsOptions, 'order'> & { batch: number; passes: number; seed: number },
): AsyncGenerator<Tensor> {
  for (let pass = 0; pass < passes; pass++) {
    const source = random(seed, `autoencoder/pass/${pass}`)
    const order = source.shuffled(texts.map((_, i) => i))
    let left: Float32Array[] = []
    for await (const { rows } of tokenRows(model, texts, { ...options, order })) {
      const all = source.shuffled([
        ...left,
        ...rows.flatMap(({ shape: [n, d], data }) =>
          Array.from({ length: n! }, (_, i) => (data as Float32Array).subarray(i * d!, (i + 1) * d!)),
        ),
      ])
      while (all.length >= batch) {
        const taken = all.splice(all.length - batch)
        const x = new Float32Array(batch * taken[0]!.length)
        for (const [i, row] of taken.entries()) x.set(row, i * row.length)
        yield tensor(x, [batch, taken[0]!.length])
      }
      left = all.map((row) => row.slice())
    }
  }
}
